/** Where the user name and the password for a registry come from. */

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

/**
 * Looks up what to log in with; undefined = anonymous. The seam for credential helpers and stores.
 * @param name `registry/repository`, docker.io written out
 */
export type CredentialProvider = (name: string) => Promise<Credentials | undefined>;

/** The value of an Authorization header (RFC 7617). */
export function basicAuthorization({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

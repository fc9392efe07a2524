/** What a registry is logged in to with, and who is asked for it. */

/** A name and a password, which may be an access token. */
export interface PasswordCredentials {
  readonly username: string;
  readonly password: string;
}

/** A refresh token of OAuth2: it is exchanged for access tokens and never sent as a password. */
export interface IdentityToken {
  readonly identityToken: string;
}

export type Credentials = PasswordCredentials | IdentityToken;

export interface CredentialLookup {
  /** Do not answer from memory: what was handed out before has been refused. */
  readonly fresh?: boolean;
}

/**
 * Looks up what to log in with; undefined = anonymous.
 * @param name `registry/repository`, docker.io written out
 */
export type CredentialProvider = (name: string, lookup?: CredentialLookup) => Promise<Credentials | undefined>;

export function isIdentityToken(credentials: Credentials): credentials is IdentityToken {
  return 'identityToken' in credentials;
}

/** The part that no output may show. */
export function secretOf(credentials: Credentials): string {
  return isIdentityToken(credentials) ? credentials.identityToken : credentials.password;
}

/** The value of an Authorization header (RFC 7617). */
export function basicAuthorization({ username, password }: PasswordCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

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

/** A bearer token that somebody else got: it is sent to the registry as it is, and cannot be renewed here. */
export interface RegistryToken {
  readonly registryToken: string;
}

export type Credentials = PasswordCredentials | IdentityToken | RegistryToken;

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

export function isRegistryToken(credentials: Credentials): credentials is RegistryToken {
  return 'registryToken' in credentials;
}

/** What no output may show, in each form in which it is sent. */
export function secretsOf(credentials: Credentials): readonly string[] {
  if (isRegistryToken(credentials)) return [credentials.registryToken];
  if (isIdentityToken(credentials)) return [credentials.identityToken];
  return [credentials.password, basicAuthorization(credentials).slice('Basic '.length)];
}

/** The value of an Authorization header (RFC 7617). */
export function basicAuthorization({ username, password }: PasswordCredentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}

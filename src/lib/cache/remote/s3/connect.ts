/** The S3 client of a remote: the SDK, loaded when the first request is due, with our connections and our retries. */
import type * as Sdk from '@aws-sdk/client-s3';
import type { RemoteContext } from '../../remote-context.ts';
import { createSdkHandler } from './request-handler.ts';
import type { S3Address } from './s3-address.ts';

export interface S3Connection {
  readonly sdk: typeof Sdk;
  readonly client: Sdk.S3Client;
}

function say(): void {
  // What goes wrong is thrown; the SDK would print it on stderr too.
}

const SILENT = { trace: say, debug: say, info: say, warn: say, error: say };

/** Loads the SDK (0.3 s) and makes a client; no request goes out. */
export async function connect(address: S3Address, context: RemoteContext): Promise<S3Connection> {
  // Else it prints nine lines about versions of Node on stderr.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const sdk = await import('@aws-sdk/client-s3');
  const { endpoint } = address;
  const region = address.region ?? (endpoint === undefined ? undefined : 'us-east-1');
  const client = new sdk.S3Client({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint: endpoint.href, forcePathStyle: true }),
    credentials: credentialsFrom(context.environment),
    requestHandler: createSdkHandler(context),
    // http/retry.ts decides alone.
    maxAttempts: 1,
    // Weak servers refuse what the SDK would add; what is sent is signed with its sha256 instead.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    followRegionRedirects: false,
    logger: SILENT,
  });
  return { sdk, client };
}

type Credentials = NonNullable<Sdk.S3ClientConfig['credentials']>;

/** Keys in the environment are taken at once, unless a profile is named; else the usual chain looks for them. */
function credentialsFrom(environment: RemoteContext['environment']): Credentials {
  const accessKeyId = environment['AWS_ACCESS_KEY_ID'] ?? '';
  const secretAccessKey = environment['AWS_SECRET_ACCESS_KEY'] ?? '';
  const sessionToken = environment['AWS_SESSION_TOKEN'] ?? '';
  const profile = environment['AWS_PROFILE'] ?? '';
  if (profile === '' && accessKeyId !== '' && secretAccessKey !== '') {
    return { accessKeyId, secretAccessKey, ...(sessionToken === '' ? {} : { sessionToken }) };
  }
  return async (properties) => {
    const { defaultProvider } = await import('@aws-sdk/credential-provider-node');
    return defaultProvider(profile === '' ? {} : { profile })(properties);
  };
}

import type { OpenedImage } from './open-image.ts';
import type { InspectResult } from './results.ts';

type Config = InspectResult['config'];

/** The config of an image as `inspect` shows it: only what is set. */
export function describeConfig(image: OpenedImage): Config {
  const config = image.resolved?.config;
  if (config !== undefined) return dropEmpty({ ...config, labels: Object.fromEntries(config.labels) });
  const metadata = image.clip?.file.storageInfo.imageMetadata;
  if (metadata === undefined) return {};
  const created = metadata.created === undefined ? undefined : new Date(Number(metadata.created.seconds) * 1000).toISOString();
  return dropEmpty({ ...metadata, created, labels: Object.fromEntries(metadata.labels) });
}

function dropEmpty(config: { [Key in keyof Config]: Config[Key] | undefined }): Config {
  const { created, author, user, workingDir, entrypoint, cmd, env, labels, exposedPorts, volumes, stopSignal } = config;
  const fields = { created, author, user, workingDir, entrypoint, cmd, env, labels, exposedPorts, volumes, stopSignal };
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => !isEmpty(value)));
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === '') return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

import { BaseCommand, type Invocation } from '../cli/base-command.ts';
import { placesArg, reachFromFlag, reachToFlag } from '../cli/flags.ts';
import { fromRequest, toRequest } from '../cli/request-values.ts';
import { describeSettings, unknownVariables } from '../cli/setting-facts.ts';
import type { SessionOptions } from '../lib/operations/session.ts';

export class DoctorCommand extends BaseCommand {
  static override summary = 'Show what is in force, and what is wrong: settings, cache, network.';
  static override description =
    'Mends nothing and writes nothing. The network is asked only for remote caches that are configured or named and for registries that are named, each once, for 10 s at most.';
  static override usage = 'doctor [HOST|IMAGE]... [--from URL]... [--to URL]... [FLAGS]';
  static override examples = [
    '$ clipctl doctor',
    '$ clipctl doctor ghcr.io registry.example:5000/team/app:v1',
    '$ clipctl doctor --from s3://bucket/layers --offline',
    '$ clipctl doctor --json | jq ".checks[] | select(.status != \\"ok\\")"',
  ];
  static override args = { place: placesArg };
  static override flags = { from: reachFromFlag, to: reachToFlag };

  /** Once is enough to know, and a dead remote must not be waited for. */
  protected override get sessionOptions(): Pick<SessionOptions, 'retries'> {
    return { retries: 0 };
  }

  protected override async execute({ args, values, settings, configFile, session }: Invocation): Promise<void> {
    const { examine } = await import('../lib/operations/doctor.ts');
    const { failureOfChecks } = await import('../lib/operations/doctor-results.ts');
    const result = await examine(session, {
      names: Array.isArray(args['place']) ? args['place'].map(String) : [],
      from: fromRequest(values),
      to: toRequest(values),
      version: this.config.version,
      settings: describeSettings(settings, values),
      configFile,
      unknownVariables: unknownVariables(process.env),
    });
    const { renderDoctor } = await import('../cli/render/doctor.ts');
    await this.print(result, renderDoctor);
    const failure = failureOfChecks(result.checks);
    if (failure !== undefined) this.failWith(failure);
  }
}

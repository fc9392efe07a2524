import { describe, expect, it } from 'vitest';
import type { Surface } from '../../../src/cli/output.ts';
import { renderCacheList } from '../../../src/cli/render/cache-list.ts';
import { renderPrune } from '../../../src/cli/render/cache-prune.ts';
import { renderUsage } from '../../../src/cli/render/cache-usage.ts';
import { renderPins, renderVerify } from '../../../src/cli/render/cache-verify.ts';
import { renderDoctor } from '../../../src/cli/render/doctor.ts';
import { renderIndex } from '../../../src/cli/render/index-summary.ts';
import { renderInspect } from '../../../src/cli/render/inspect.ts';
import { renderPlan } from '../../../src/cli/render/plan.ts';
import { renderPush } from '../../../src/cli/render/push-summary.ts';
import { renderWarm } from '../../../src/cli/render/warm-summary.ts';
import { renderVerify as renderVerified } from '../../../src/cli/render/verify.ts';
import { createStyle, PLAIN_STYLE } from '../../../src/cli/style.ts';
import { CACHE_LIST, CACHE_USAGE, CACHE_VERIFIED, PINS, PRUNED } from '../cache-documents.ts';
import { VERIFIED } from '../verify-documents.ts';
import { DOCTOR } from '../doctor-document.ts';
import { INDEX, INSPECT, PLAN, PUSH, WARM } from '../documents.ts';

const surface: Surface = { columns: 80, unicode: true, style: PLAIN_STYLE, verbose: false };
const short = { layers: false, tiers: false };

const drawings: readonly (readonly [name: string, draw: (on: Surface) => string])[] = [
  ['inspect', (on) => renderInspect(INSPECT, short, on)],
  ['inspect-layers', (on) => renderInspect(INSPECT, { layers: true, tiers: false }, on)],
  ['inspect-tiers', (on) => renderInspect(INSPECT, { layers: false, tiers: true }, on)],
  ['inspect-verbose', (on) => renderInspect(INSPECT, short, { ...on, verbose: true })],
  ['index', (on) => renderIndex(INDEX, { kept: true }, on)],
  ['warm', (on) => renderWarm(WARM, on)],
  ['warm-verbose', (on) => renderWarm(WARM, { ...on, verbose: true })],
  ['push-cache', (on) => renderPush(PUSH, on)],
  ['push-cache-verbose', (on) => renderPush(PUSH, { ...on, verbose: true })],
  ['plan', (on) => renderPlan(PLAN, on)],
  ['verify', (on) => renderVerified(VERIFIED, on)],
  ['doctor', (on) => renderDoctor(DOCTOR, on)],
  ['cache-du', (on) => renderUsage(CACHE_USAGE, on)],
  ['cache-ls', (on) => renderCacheList(CACHE_LIST, on)],
  ['cache-verify', (on) => renderVerify(CACHE_VERIFIED, on)],
  ['cache-pin', (on) => renderPins(PINS, on)],
  ['cache-prune-plan', (on) => renderPrune(PRUNED, on)],
  ['cache-prune', (on) => renderPrune({ ...PRUNED, dryRun: false }, on)],
];

/** Lines that quote one long word of the image in full: a command, a URL. */
const MAY_BE_LONG = /^(made by|remote|image|index|[A-Z_]+ layer) /;

describe.each(drawings)('%s', (name, draw) => {
  it('looks like the golden file', async () => {
    await expect(`${draw(surface)}\n`).toMatchFileSnapshot(`golden/${name}.txt`);
  });

  it('fits 80 columns and ends no line with a space', () => {
    const lines = draw(surface).split('\n');
    expect(lines.filter((line) => line.length > 80 && !MAY_BE_LONG.test(line))).toEqual([]);
    expect(lines.filter((line) => line !== line.trimEnd())).toEqual([]);
  });

  it('obeys nothing that stands in the image', () => {
    expect(draw(surface)).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    expect(draw(surface)).not.toMatch(/^\s*::/m);
  });

  it('is ASCII where the terminal is', () => {
    expect(draw({ ...surface, unicode: false })).toMatch(/^[\n -~]*$/);
  });

  it('says the same with colours', async () => {
    const colored = draw({ ...surface, style: await createStyle(true) });
    expect(colored.replace(/\u001b\[\d+m/g, '')).toBe(draw(surface));
    expect(colored).not.toBe(draw(surface));
  });
});

describe('an index', () => {
  const platforms = INDEX.platforms.map((platform) => ({
    ...platform,
    layers: platform.layers.map((layer, at) => ({ ...layer, checkpoints: at })),
  }));

  it('without a checkpoint behind the start of a layer has no column of them', () => {
    const text = renderIndex({ ...INDEX, platforms }, { kept: false }, surface);
    expect(text).toContain('  entries  from');
    expect(text).not.toContain('checkpoints');
  });

  it('says that layers are kept only where they are', () => {
    expect(renderIndex(INDEX, { kept: false }, surface)).not.toContain('kept');
    expect(renderIndex(INDEX, { kept: true }, surface).match(/^kept in the disk cache$/gm)).toHaveLength(1);
  });
});

describe('warm layers', () => {
  it('that no cache had are no share of caches', () => {
    const images = WARM.images.map((image) => ({
      ...image,
      layers: image.layers.map((layer) => ({ ...layer, servedBy: 'registry' as const })),
    }));
    expect(renderWarm({ ...WARM, images }, surface)).not.toContain('from caches');
  });
});

describe('an image', () => {
  it('whose history nobody knows has no column for it', () => {
    const layers = INSPECT.layers.map(({ createdBy: _, ...layer }) => layer);
    const text = renderInspect({ ...INSPECT, layers }, short, surface);
    expect(text).toMatch(/^#  digest +compressed +size  warm$/m);
    expect(text).not.toContain('created by');
  });

  it('without layers is shown, warm', () => {
    const totals = { layers: 0, compressedBytes: 0, warmLayers: 0, warmBytes: 0 };
    const { platforms: _, ...rest } = INSPECT;
    const text = renderInspect({ ...rest, config: {}, layers: [], totals, warm: true }, { layers: true, tiers: true }, surface);
    expect(text).toContain('total    0 layers, 0 B compressed');
    expect(text).toContain('warm: every layer is on disk');
  });

  it('that stands on disk is no request for anything', () => {
    const layers = INSPECT.layers.map((layer) => ({ ...layer, tiers: { disk: true, remote: {} } }));
    const totals = { ...INSPECT.totals, warmLayers: 3, warmBytes: INSPECT.totals.compressedBytes };
    expect(renderInspect({ ...INSPECT, layers, totals, warm: true }, short, surface)).not.toContain('to bring');
  });
});

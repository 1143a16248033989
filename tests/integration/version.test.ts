import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PROTOCOL_VERSION } from '@cropstream/protocol';
import { describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(join(root, path), 'utf8');

test('packages, wheels, image and chart have one version', () => {
  const version = execFileSync(process.execPath, ['scripts/version.mjs', '--check'], {
    cwd: root,
    encoding: 'utf8',
  });
  expect(version.trim()).toBe(JSON.parse(read('package.json')).version);
});

test('both clients speak the same protocol', () => {
  const [, python] =
    /^PROTOCOL_VERSION = (\d+)$/m.exec(read('packages/client-python/src/cropstream/_core/run.py')) ?? [];
  expect(Number(python)).toBe(PROTOCOL_VERSION);
});

describe('the image can be built for amd64 and arm64', () => {
  const { packages } = JSON.parse(read('package-lock.json')) as {
    packages: Record<
      string,
      { cpu?: string[]; os?: string[]; libc?: string[]; dev?: boolean; version: string }
    >;
  };

  test('of whatever native code comes in packages for each processor', () => {
    const native = Object.entries(packages).filter(
      ([, { cpu, os, libc, dev }]) => cpu && os?.includes('linux') && !dev && !libc?.includes('musl'),
    );
    const of = (processor: string) => native.filter(([, { cpu }]) => cpu?.includes(processor));
    expect(of('x64').length).toBeGreaterThan(4);
    const others = of('arm64').map(([path, { version }]) => `${path} ${version}`);
    for (const [path, { version }] of of('x64')) {
      expect(others).toContain(`${path.replace(/x64/, 'arm64')} ${version}`);
    }
  });

  test('and of TurboJPEG, which brings all of them in one package', () => {
    const folders = readdirSync(join(root, 'node_modules/@julusian/jpeg-turbo/prebuilds'));
    expect(folders).toEqual(expect.arrayContaining(['jpeg-turbo-linux-x64', 'jpeg-turbo-linux-arm64']));
  });

  test('from a base that is not of one processor', () => {
    const bases = [...read('Dockerfile').matchAll(/^FROM (?:--platform=(\S+) )?(\S+)/gm)];
    for (const [, platform, image] of bases) {
      expect(platform).toBeUndefined();
      expect(image).toMatch(/^(base|node:24-bookworm-slim)$/);
    }
  });
});

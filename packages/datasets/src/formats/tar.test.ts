import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TAR_NAMES, tarOf } from '../../test-support/tars.js';
import { BLOCK_BYTES, readPaxRecords, readTarHeader, TarError, tarHeaderOf } from './tar.js';
import { isNeed, type TarMember, walkTar } from './tar-walk.js';

/** The members of an archive in memory, and how it ended. */
function walk(bytes: Uint8Array): { members: TarMember[]; end: string } {
  const members: TarMember[] = [];
  const steps = walkTar(0, bytes.length);
  let step = steps.next();
  while (!step.done) {
    if (isNeed(step.value)) {
      const { offset, length } = step.value;
      expect(offset + length).toBeLessThanOrEqual(bytes.length);
      step = steps.next(bytes.subarray(offset, offset + length));
    } else {
      members.push(step.value);
      step = steps.next();
    }
  }
  return { members, end: step.value };
}

const bytesOf = (archive: Uint8Array, { offset, size }: TarMember) =>
  Buffer.from(archive.subarray(offset, offset + size)).toString();

/** A header block with some of its bytes replaced, its checksum made right again. */
function patched(block: Uint8Array, at: number, bytes: Uint8Array | string, signed = false): Buffer {
  const copy = Buffer.from(block);
  copy.set(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, at);
  copy.fill(' ', 148, 156);
  const sum = copy
    .subarray(0, 512)
    .reduce((all, byte) => all + (signed && byte > 127 ? byte - 256 : byte), 0);
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return copy;
}

describe('walkTar', () => {
  it('gives back what was written, names and bytes', () => {
    const file = fc.record({ name: TAR_NAMES, text: fc.string({ maxLength: 1500 }) });
    fc.assert(
      fc.property(fc.array(file, { maxLength: 12 }), (files) => {
        const archive = tarOf(files.map(({ name, text }) => [name, text]));
        const { members, end } = walk(archive);
        expect(members.map((member) => [member.name, bytesOf(archive, member)])).toEqual(
          files.map(({ name, text }) => [name, text]),
        );
        expect(end).toBe('marked');
      }),
    );
  });

  it('ends on any archive that was cut or damaged, with members inside it or a TarError', () => {
    const archive = tarOf([
      ['a.jpg', 'x'.repeat(700)],
      [`${'long/'.repeat(60)}b.jpg`, 'y'],
      ['b.cls', '7'],
    ]);
    const flip = fc.tuple(fc.nat(archive.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.nat(archive.length), fc.array(flip, { maxLength: 4 }), (length, flips) => {
        const damaged = Buffer.from(archive.subarray(0, length));
        for (const [at, byte] of flips) if (at < length) damaged[at] = byte;
        try {
          for (const { offset, size } of walk(damaged).members) {
            expect(offset + size).toBeLessThanOrEqual(length);
          }
        } catch (error) {
          expect(error).toBeInstanceOf(TarError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('passes over links, folders and devices, whatever their size says', () => {
    const parts = ['1', '2', '3', '4', '5', '6'].map((type) => {
      const block = patched(tarHeaderOf('to/etc/passwd', 700), 156, type);
      return patched(block, 157, '/etc/passwd');
    });
    const archive = Buffer.concat([...parts, tarOf([['a.jpg', 'x']])]);
    expect(walk(archive).members.map(({ name }) => name)).toEqual(['a.jpg']);
  });

  it('reads what other writers write: ustar prefixes, base-256 sizes, GNU long names, signed checksums, V7 folders', () => {
    const file = Buffer.concat([Buffer.from('data'), new Uint8Array(508)]);
    const size256 = Buffer.from([0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4]);
    const longName = patched(tarHeaderOf('././@LongLink', 202), 156, 'L');
    const name = 'n'.repeat(200);
    const archive = Buffer.concat([
      patched(tarHeaderOf('b.jpg', 4), 345, 'some/folder'),
      file,
      patched(tarHeaderOf('c.jpg', 0), 124, size256),
      file,
      longName,
      Buffer.from(`${name}.\0`.padEnd(512, '\0')),
      tarHeaderOf('cut', 4),
      file,
      patched(tarHeaderOf('d.jpg', 4), 0, Buffer.from('é.jpg'), true),
      file,
      patched(tarHeaderOf('folder/', 0), 156, '\0'),
      patched(patched(tarHeaderOf('g.jpg', 4), 257, 'ustar  \0'), 345, 'times of GNU'),
      file,
    ]);
    expect(walk(archive)).toMatchObject({
      members: ['some/folder/b.jpg', 'c.jpg', `${name}.`, 'é.jpg', 'g.jpg'].map((name) => ({
        name,
        size: 4,
      })),
      end: 'unmarked',
    });
  });

  const pax = (text: string, type = 'x') =>
    Buffer.concat([
      patched(tarHeaderOf('PaxHeader', Buffer.byteLength(text)), 156, type),
      Buffer.from(text.padEnd(512, '\0')),
    ]);

  it.each([
    ['a wrong checksum', Buffer.alloc(512, 1), /checksum/],
    ['a member beyond the end', tarHeaderOf('a.jpg', 5000), /cut short: "a\.jpg" of 5000 bytes/],
    [
      'a size beyond 2^53',
      patched(tarHeaderOf('a', 0), 124, Buffer.from([0x80, ...Buffer.alloc(11, 255)])),
      /2\^53/,
    ],
    ['a negative size', patched(tarHeaderOf('a', 0), 124, Buffer.alloc(12, 255)), /not a number/],
    ['an end within a header', tarHeaderOf('a', 0).subarray(0, 300), /within a header/],
    ['a giant extended header', patched(tarHeaderOf('p', 2 ** 31), 156, 'x'), /over the limit of 1048576/],
    ['an end after an extended header', pax('12 path=abc\n'), /after an extended header/],
    [
      'a malformed pax record',
      Buffer.concat([pax('99 path=abc\n'), tarHeaderOf('a', 0)]),
      /malformed record/,
    ],
    [
      'a pax size that is none',
      Buffer.concat([pax('11 size=-1\n'), tarHeaderOf('a', 0)]),
      /pax header's size/,
    ],
    ['one name for all', Buffer.concat([pax('12 path=abc\n', 'g'), tarHeaderOf('a', 0)]), /global pax/],
    ['a GNU sparse file', patched(tarHeaderOf('a', 0), 156, 'S'), /sparse/],
    ['a pax sparse file', Buffer.concat([pax('22 GNU.sparse.major=1\n'), tarHeaderOf('a', 0)]), /sparse/],
  ])('refuses %s', (_, archive, reason) => {
    expect(() => walk(archive)).toThrow(TarError);
    expect(() => walk(archive)).toThrow(reason);
  });

  it('takes a size beyond what eight octal digits say from its pax header', () => {
    const size = 9 * 2 ** 30;
    const headers = tarHeaderOf('a.bin', size);
    expect(headers.length).toBe(3 * BLOCK_BYTES);
    expect(readPaxRecords(headers.subarray(BLOCK_BYTES, BLOCK_BYTES + 33))).toMatchObject({
      path: 'a.bin',
      size,
    });
    expect(readTarHeader(headers.subarray(2 * BLOCK_BYTES))).toMatchObject({ kind: 'file' });
  });
});

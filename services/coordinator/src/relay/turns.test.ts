import { describe, expect, it } from 'vitest';
import { type Turn, Turns } from './turns.js';

/** Enters, and tells in `begun` when a place is there. */
function entering(turns: Turns, begun: string[]) {
  return (who: string, name = who): Turn => {
    const turn = turns.enter(who, () => begun.push(name));
    if (turn === null) throw new Error('too many wait');
    return turn;
  };
}

describe('Turns', () => {
  it('lets so many begin, and the next ones as places are given up', () => {
    const turns = new Turns(2, 10);
    const begun: string[] = [];
    const enter = entering(turns, begun);
    const [a] = [enter('a'), enter('b'), enter('c')];
    expect(begun).toEqual(['a', 'b']);
    expect([turns.active, turns.waiting]).toEqual([2, 1]);
    a?.leave();
    expect(begun).toEqual(['a', 'b', 'c']);
    expect([turns.active, turns.waiting]).toEqual([2, 0]);
  });

  it('prefers whoever holds the fewest places, then each in turn', () => {
    const turns = new Turns(2, 100);
    const begun: string[] = [];
    const enter = entering(turns, begun);
    const greedy = Array.from({ length: 5 }, (_, i) => enter('greedy', `greedy ${i}`));
    const modest = ['one', 'two'].flatMap((who) => [enter(who, `${who} 0`), enter(who, `${who} 1`)]);
    greedy[0]?.leave();
    expect(begun.slice(2)).toEqual(['one 0']);
    // Neither `greedy` nor `two` holds a place now, and `greedy` has waited longer for its turn.
    greedy[1]?.leave();
    expect(begun.slice(3)).toEqual(['greedy 2']);
    modest[0]?.leave();
    expect(begun.slice(4)).toEqual(['two 0']);
    greedy[2]?.leave();
    expect(begun.slice(5)).toEqual(['one 1']);
  });

  it('forgets who leaves while it waits', () => {
    const turns = new Turns(1, 10);
    const begun: string[] = [];
    const enter = entering(turns, begun);
    const first = enter('a');
    enter('b').leave();
    enter('c');
    first.leave();
    expect(begun).toEqual(['a', 'c']);
    expect([turns.active, turns.waiting]).toEqual([1, 0]);
  });

  it('refuses where too many wait', () => {
    const turns = new Turns(1, 1);
    const begin = () => {};
    const [first, second] = [turns.enter('a', begin), turns.enter('b', begin)];
    expect(turns.enter('c', begin)).toBeNull();
    second?.leave();
    first?.leave();
    expect([turns.active, turns.waiting]).toEqual([0, 0]);
    expect(turns.enter('c', begin)).not.toBeNull();
  });
});

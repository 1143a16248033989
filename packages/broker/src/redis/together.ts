/**
 * Gathers calls that are made in one turn of the event loop and sends those of one group together, in their order: a
 * coordinator's calls for a whole window cost one command then.
 *
 * @param send of a group's items; its answers are in their order
 */
export function together<Item, Answer>(
  send: (group: string, items: readonly Item[]) => Promise<readonly Answer[]>,
): (group: string, item: Item) => Promise<Answer> {
  const gathering = new Map<
    string,
    { readonly items: Item[]; readonly answers: Promise<readonly Answer[]> }
  >();
  return async (group, item) => {
    let gathered = gathering.get(group);
    if (gathered === undefined) {
      const items: Item[] = [];
      const answers = Promise.resolve().then(() => {
        gathering.delete(group);
        return send(group, items);
      });
      gathered = { items, answers };
      gathering.set(group, gathered);
    }
    const at = gathered.items.push(item) - 1;
    return (await gathered.answers)[at] as Answer;
  };
}

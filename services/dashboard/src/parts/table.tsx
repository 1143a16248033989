import type { ComponentChildren } from 'preact';

interface TableProps {
  /** The id of the heading that names it. */
  readonly labelledBy: string;
  /** Numbers stand to the right. */
  readonly columns: readonly (string | { readonly number: string })[];
  /** Rows, whose cells carry `data-label` for the phone. */
  readonly children: ComponentChildren;
}

/** A table that scrolls within itself where it is wide; on a phone each row is a card. */
export function Table({ labelledBy, columns, children }: TableProps) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
    <section class="scroll" tabIndex={0} aria-labelledby={labelledBy}>
      <table class="cards">
        <thead>
          <tr>
            {columns.map((column) =>
              typeof column === 'string' ? (
                <th key={column} scope="col">
                  {column}
                </th>
              ) : (
                <th key={column.number} scope="col" class="number">
                  {column.number}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </section>
  );
}

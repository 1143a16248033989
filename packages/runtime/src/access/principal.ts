/**
 * What a caller may do:
 *
 * - `trainer`: open, list, show and draw from the runs of its owner
 * - `operator`: that, and pause, close, replay and preview them; read metrics
 * - `service`: what parts of a fleet ask of one another, for any owner; read metrics
 */
export const ROLES = ['trainer', 'operator', 'service'] as const;
export type Role = (typeof ROLES)[number];

/** Who made a call, once its token was checked. */
export interface Principal {
  /** The token's name, for logs: no secret. */
  readonly name: string;
  /** Whose runs it works with: `ALL_OWNERS` for operators of the platform and for services. */
  readonly owner: string;
  readonly role: Role;
}

/** The owner of runs where nobody tells owners apart. */
export const DEFAULT_OWNER = 'default';
/** Stands for every owner, and is the name of none. */
export const ALL_OWNERS = '*';

/** Whether a principal may see what belongs to `owner`. */
export function mayActFor(principal: Principal, owner: string): boolean {
  return principal.owner === ALL_OWNERS || principal.owner === owner;
}

/** What one owner may have. Null: as much as the service allows all owners together. */
export interface OwnerLimits {
  /** What its specs may name: folders and the beginnings of urls. Null: what the service allows. */
  readonly roots: readonly string[] | null;
  /** Runs open at once. */
  readonly maxRuns: number | null;
  /** Runs being indexed at once, at one coordinator. */
  readonly maxOpening: number | null;
  /** Ranks attached at once, at all coordinators. */
  readonly maxAttachments: number | null;
  /** How much of the queue its runs get beside those of an owner of weight 1. */
  readonly weight: number;
}

export const NO_LIMITS: OwnerLimits = {
  roots: null,
  maxRuns: null,
  maxOpening: null,
  maxAttachments: null,
  weight: 1,
};

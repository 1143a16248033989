import { failure } from '@cropstream/errors';

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

/** Owners' names are part of keys in Redis and labels of metrics. */
export const OWNER_NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
export const OWNER_NAME_ALLOWED = 'up to 63 of a-z, 0-9, - and _, the first a letter or digit';

/** @throws SPEC_INVALID */
export function requireOwnerName(owner: string): void {
  if (OWNER_NAME.test(owner)) return;
  throw failure('SPEC_INVALID', {
    field: 'owner',
    value: JSON.stringify(owner),
    allowed: OWNER_NAME_ALLOWED,
  });
}

/** Who calls a service that asks for no token. */
export const EVERYBODY: Principal = { name: 'everybody', owner: DEFAULT_OWNER, role: 'operator' };

/**
 * The owner that a call is for: the principal's, or that which was `asked` for by whoever acts for all of them. Empty: not
 * asked.
 *
 * @throws FORBIDDEN where another's was asked for
 */
export function ownerFor({ name, owner }: Principal, asked = ''): string {
  if (owner === ALL_OWNERS) return asked || DEFAULT_OWNER;
  if (asked === '' || asked === owner) return owner;
  throw failure('FORBIDDEN', {
    token: name,
    what: `act for the owner ${asked}`,
    reason: `it is of ${owner}`,
  });
}

/** What one owner may have. Null: as much as the service allows all owners together. */
export interface OwnerLimits {
  /**
   * What its specs may name, folders and the beginnings of urls: several levels, each of which has to allow it, the
   * owner's and the service's. None: anything; an empty one: nothing.
   */
  readonly roots: readonly (readonly string[])[];
  /** Runs open at once. */
  readonly maxRuns: number | null;
  /** Runs being indexed at once, at one coordinator. */
  readonly maxOpening: number | null;
  /** Ranks attached at once, at all coordinators. */
  readonly maxAttachments: number | null;
  /** How much of the queue its runs get beside those of an owner of weight 1. */
  readonly weight: number;
}

/** A folder, or the beginning of a url. */
export const ROOT = /^(\/|file:\/\/\/|(s3|gs|https?):\/\/)/;
export const ROOT_ALLOWED = 'an absolute path, or a URL of file:///, s3://, gs://, http:// or https://';

export const NO_LIMITS: OwnerLimits = {
  roots: [],
  maxRuns: null,
  maxOpening: null,
  maxAttachments: null,
  weight: 1,
};

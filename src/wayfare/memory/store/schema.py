"""The tables of a memory, in the order in which they depend on one another.

A *namespace* is one tenant. Every row belongs to exactly one, by its integer `ns`, and every statement names it.

    namespaces    one row a namespace: its path, its change counter, how many entries it ever had
    records       the present version of each memory
    versions      every earlier version, whole
    payloads      bytes that records carry beside their texts, by digest, in pieces
    tags, links   what records are filed under, and how they hang together
    log           one row a change, in the order in which changes were committed: who, what, why
    answers       results of operations with an idempotency key
    spaces        embedding models: vectors of different spaces are never compared
    entries       what the index knows: each searchable text of a record has one, numbered from 0 in its namespace
    segments, postings   the words of blocks of entries; entries after the last segment are read from their texts
    blocks        vectors of one space, so many entries a block, written in place
    utilities     what credit has taught about each record
    policies, standing   recall policies ever used, and the state of the safe mixture
    tasks, receipts, outcomes   what was recalled, with which probability, and what came of it
    credits, accounts           how much of each outcome fell to each record, and to which actor's account
    jobs, copies                how far upkeep has come; snapshots and exports that were made, and where they lie
    tokens                      who may use a server, and for which namespace: the one table that is no tenant's

Sequence numbers are drawn from `namespaces.sequence` inside the writing transaction: its lock orders commits, so that a
reader who has seen number s has seen every change up to s.
"""

from __future__ import annotations

__all__ = ["DOORS", "PAYLOADS", "TABLES", "VERSION"]

VERSION = 5
"""Of these tables; an older file is brought forward by `migrations`."""

DOORS = """
CREATE TABLE jobs (
    ns INTEGER NOT NULL, name TEXT NOT NULL,        -- of a kind of upkeep, with the digest of its settings
    through INTEGER NOT NULL,               -- seq of the last change of the namespace that it has seen
    body TEXT NOT NULL,                     -- JSON: where it stands
    updated_at REAL NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY (ns, name)
) WITHOUT ROWID;

CREATE TABLE copies (
    ns INTEGER NOT NULL, id TEXT NOT NULL,          -- ULID
    what TEXT NOT NULL,                     -- snapshot | export | backup
    label TEXT NOT NULL, path TEXT NOT NULL, digest TEXT NOT NULL,
    seq INTEGER NOT NULL, created_at REAL NOT NULL, gone_at REAL,      -- gone_at: when it was deleted
    checksum INTEGER NOT NULL,
    PRIMARY KEY (ns, id)
) WITHOUT ROWID;

CREATE TABLE tokens (
    id TEXT PRIMARY KEY,                    -- the part of the token that may be shown
    hash BLOB NOT NULL,                     -- of its secret part, which is nowhere
    name TEXT NOT NULL,                     -- whose it is: the actor of what is done with it
    namespace TEXT NOT NULL, also_read TEXT NOT NULL, scopes TEXT NOT NULL,   -- lists as JSON
    created_at REAL NOT NULL, expires_at REAL, revoked_at REAL,
    checksum INTEGER NOT NULL
) WITHOUT ROWID;
"""
"""Those that came with version 4."""

PAYLOADS = """
CREATE TABLE payloads (
    ns INTEGER NOT NULL, digest TEXT NOT NULL, part INTEGER NOT NULL,   -- SHA-256 of all parts; from 0
    data BLOB NOT NULL,                     -- 1 MiB, of the last part what is left
    checksum INTEGER NOT NULL,
    PRIMARY KEY (ns, digest, part)
);
"""
"""Those that came with version 5. A row is longer than a page: the table is not one WITHOUT ROWID."""

TABLES = (
    """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE namespaces (
    ns INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    sequence INTEGER NOT NULL DEFAULT 0,
    entries INTEGER NOT NULL DEFAULT 0,
    space INTEGER,                          -- that recall reads; NULL: words only
    settings TEXT NOT NULL DEFAULT '{}'
);

CREATE TABLE records (
    record INTEGER PRIMARY KEY,             -- never reused: AUTOINCREMENT's promise, kept by `versions` and `log`
    ns INTEGER NOT NULL,
    id TEXT NOT NULL,                       -- ULID
    kind TEXT NOT NULL,
    form TEXT NOT NULL,
    content TEXT NOT NULL,
    content_hash BLOB NOT NULL,             -- of the normalised content and the payload's digest, 16 bytes
    status TEXT NOT NULL,                   -- active | superseded | archived | tombstone
    version INTEGER NOT NULL,
    created_at REAL NOT NULL, updated_at REAL NOT NULL,
    event_from REAL, event_to REAL, valid_from REAL, valid_to REAL,
    tags TEXT NOT NULL, meta TEXT NOT NULL, provenance TEXT NOT NULL,      -- JSON
    checksum INTEGER NOT NULL,
    payload TEXT,                           -- JSON: digest, size, media type, header; NULL: it carries none
    UNIQUE (ns, id)
);
CREATE UNIQUE INDEX active_content ON records (ns, kind, content_hash) WHERE status = 'active';
CREATE INDEX records_by_time ON records (ns, created_at);
CREATE INDEX records_of_a_time ON records (ns) WHERE valid_from IS NOT NULL OR valid_to IS NOT NULL;

CREATE TABLE versions (
    ns INTEGER NOT NULL, id TEXT NOT NULL, version INTEGER NOT NULL,
    body TEXT NOT NULL,                     -- the record as it stood, JSON
    superseded_at REAL NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (ns, id, version)
) WITHOUT ROWID;

CREATE TABLE tags (
    ns INTEGER NOT NULL, tag TEXT NOT NULL, record INTEGER NOT NULL,
    PRIMARY KEY (ns, tag, record)
) WITHOUT ROWID;
CREATE INDEX tags_of_record ON tags (record);

CREATE TABLE links (
    ns INTEGER NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, type TEXT NOT NULL,
    weight REAL NOT NULL, evidence TEXT NOT NULL, valid_from REAL, valid_to REAL, created_at REAL NOT NULL,
    checksum INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (ns, source, type, target)
) WITHOUT ROWID;
CREATE INDEX links_back ON links (ns, target, type);

CREATE TABLE log (
    ns INTEGER NOT NULL, seq INTEGER NOT NULL,
    time REAL NOT NULL, actor TEXT NOT NULL,
    operation TEXT NOT NULL,                -- one id for all that was applied together
    op TEXT NOT NULL,                       -- ADD | UPDATE | MERGE | SUPERSEDE | LINK | ... | RECALL | CREDIT | VOID
    id TEXT, version INTEGER,               -- of the record it changed, after the change
    reason TEXT NOT NULL DEFAULT '',
    body TEXT NOT NULL DEFAULT '{}',        -- JSON; never a record's text
    checksum INTEGER NOT NULL,
    PRIMARY KEY (ns, seq)
) WITHOUT ROWID;
CREATE INDEX log_of_record ON log (ns, id, seq) WHERE id IS NOT NULL;

CREATE TABLE answers (
    ns INTEGER NOT NULL, key TEXT NOT NULL,
    request BLOB NOT NULL,                  -- hash of what was asked: the same key for another request is refused
    answer TEXT NOT NULL, time REAL NOT NULL,
    checksum INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (ns, key)
) WITHOUT ROWID;

CREATE TABLE spaces (
    space INTEGER PRIMARY KEY,
    ns INTEGER NOT NULL, model TEXT NOT NULL, dimension INTEGER NOT NULL,
    probe BLOB,                             -- the vector of a fixed text: notices a model that changed under its name
    state TEXT NOT NULL,                    -- serving | filling | retired
    UNIQUE (ns, model)
);

CREATE TABLE entries (
    ns INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    record INTEGER NOT NULL,
    role TEXT NOT NULL,                     -- content | context | intent | question | entity | ...
    text TEXT,                              -- NULL: the record's content
    length INTEGER NOT NULL,                -- in words, as indexed
    alive INTEGER NOT NULL,                 -- 0: of an earlier version, or forgotten
    checksum INTEGER NOT NULL DEFAULT 0,    -- of the columns before; `alive` is added, so that dying is one statement
    PRIMARY KEY (ns, ordinal)
) WITHOUT ROWID;
CREATE INDEX entries_of_record ON entries (record);
CREATE INDEX entries_dead ON entries (ns, ordinal) WHERE alive = 0;

CREATE TABLE segments (
    ns INTEGER NOT NULL, segment INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    roles TEXT NOT NULL,                    -- JSON list; `data` numbers them
    data BLOB NOT NULL,                     -- of its entries: record int64, length uint32, role uint32, packed
    PRIMARY KEY (ns, segment)
) WITHOUT ROWID;

CREATE TABLE postings (
    ns INTEGER NOT NULL, segment INTEGER NOT NULL, term TEXT NOT NULL,
    data BLOB NOT NULL,                     -- of the entries with that term: ordinal uint32, times uint8, packed
    PRIMARY KEY (ns, segment, term)
) WITHOUT ROWID;

CREATE TABLE blocks (
    block INTEGER PRIMARY KEY,
    ns INTEGER NOT NULL, space INTEGER NOT NULL, position INTEGER NOT NULL,
    data BLOB NOT NULL,                     -- of each entry: its vector, float32, and the vector's CRC-32
    UNIQUE (ns, space, position)
);

CREATE TABLE utilities (
    record INTEGER PRIMARY KEY, ns INTEGER NOT NULL,
    n REAL NOT NULL, total REAL NOT NULL, squares REAL NOT NULL, -- sums of u, u r, u r^2 over credits
    q REAL,                                 -- exponential moving average; NULL: not credited yet
    recalled INTEGER NOT NULL, used INTEGER NOT NULL, last_credit REAL
);

CREATE TABLE policies (
    ns INTEGER NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, created_at REAL NOT NULL, seq INTEGER NOT NULL,
    checksum INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (ns, id)
) WITHOUT ROWID;

CREATE TABLE standing (
    ns INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    through INTEGER NOT NULL,               -- seq of the last outcome that the floor has seen
    frozen INTEGER,                         -- seq after which nothing is learned; NULL: learning
    body TEXT NOT NULL,                     -- JSON, see `standing.py`
    checksum INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE tasks (
    ns INTEGER NOT NULL, id TEXT NOT NULL, side TEXT NOT NULL, epoch INTEGER NOT NULL,
    standing TEXT NOT NULL,                 -- shares and policy ids by side when it began, JSON
    opened_at REAL NOT NULL, closed_at REAL, receipts INTEGER NOT NULL DEFAULT 0,
    checksum INTEGER NOT NULL DEFAULT 0,    -- of what does not change: all but `closed_at` and `receipts`
    PRIMARY KEY (ns, id)
) WITHOUT ROWID;

CREATE TABLE receipts (
    ns INTEGER NOT NULL, seq INTEGER NOT NULL, id TEXT NOT NULL, task TEXT NOT NULL, time REAL NOT NULL,
    query TEXT NOT NULL,
    body BLOB,                              -- candidates, features, weights (`receipts.py`); NULL once thinned
    slate TEXT NOT NULL,                    -- ids and versions in the order shown, JSON
    probabilities TEXT NOT NULL,            -- P(slate) by side and of the mixture, inclusion of each item, JSON
    checksum INTEGER NOT NULL,
    PRIMARY KEY (ns, seq)
) WITHOUT ROWID;
CREATE UNIQUE INDEX receipts_by_id ON receipts (ns, id);
CREATE INDEX receipts_of_task ON receipts (ns, task);

CREATE TABLE outcomes (
    ns INTEGER NOT NULL, seq INTEGER NOT NULL, task TEXT NOT NULL, source TEXT NOT NULL, actor TEXT NOT NULL,
    time REAL NOT NULL, reward REAL NOT NULL, used TEXT,             -- JSON list of ids; NULL: not said
    rank TEXT NOT NULL,                     -- human | harness | agent | implicit
    replaced INTEGER,                       -- seq of the outcome that corrects it
    voided INTEGER,                         -- seq of the VOID that took it out
    basis TEXT NOT NULL,                    -- used | shown: over which records the shares sum to 1
    checksum INTEGER NOT NULL,
    PRIMARY KEY (ns, seq)
) WITHOUT ROWID;
CREATE INDEX outcomes_of_task ON outcomes (ns, task, source);

CREATE TABLE credits (
    ns INTEGER NOT NULL, record INTEGER NOT NULL, seq INTEGER NOT NULL,   -- of the outcome
    base REAL NOT NULL, granted REAL NOT NULL,                             -- share before and after the actor's cap
    PRIMARY KEY (ns, record, seq)
) WITHOUT ROWID;

CREATE TABLE accounts (
    ns INTEGER NOT NULL, record INTEGER NOT NULL, day INTEGER NOT NULL, actor TEXT NOT NULL, weight REAL NOT NULL,
    PRIMARY KEY (ns, record, day, actor)
) WITHOUT ROWID;
"""
    + DOORS
    + PAYLOADS
)

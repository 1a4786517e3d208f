/* The splits of a batch of trees on a block of rows, compiled once for each instruction set.
 *
 * A chain's leaf numbers stay in registers from its first split to its last; only then are they
 * stored, in the chain's slot, for the split that joins it with another. tables.py sorts chains by
 * shape: a processor that mispredicts a branch at every split would lose more time with that than
 * with the splits. No order of chains changes what a tree's root chooses.
 */

enum { NAME(WIDTH) = sizeof(NAME(Bytes)), NAME(PASS) = VECTORS * sizeof(NAME(Bytes)) };

/* Rows of `kept` that the split takes become what is at `taken`, `step` vectors apart. */
static INLINE void NAME(split)(const Split *split, const uint8_t *codes, const uint8_t *sets,
                               int has_sets, const NAME(Bytes) *taken, int step,
                               NAME(Bytes) *kept) {
    const uint8_t *code = codes + (int64_t)split->column * BLOCK;
    if (has_sets && split->set >= 0) {
        const NAME(Set) set = NAME(load_set)(sets + (int64_t)split->set * SET_BYTES);
        EACH_VECTOR {
            const NAME(Bytes) byte = LOAD(code + v * NAME(WIDTH));
            const NAME(Bytes) bit = LOAD(code + BLOCK + v * NAME(WIDTH));
            kept[v] = NAME(pick)(NAME(member)(byte, bit, set), taken[v * step], kept[v]);
        }
    } else {
        const NAME(Bytes) low = SPLAT(split->low), width = SPLAT(split->width);
        EACH_VECTOR {
            const NAME(Bytes) byte = LOAD(code + v * NAME(WIDTH));
            kept[v] = NAME(pick)(NAME(within)(byte, low, width), taken[v * step], kept[v]);
        }
    }
}

/* One tree that splits alike at all nodes of a level, on as many rows as fit into the registers:
 * a leaf's number has a bit for each level, which is set in the rows that its split takes. */
static INLINE void NAME(bits)(const Split *split, int length, const uint8_t *codes,
                              const uint8_t *sets, uint8_t *slots, int has_sets) {
    uint8_t *slot = slots + (int64_t)split->slot * BLOCK;
    NAME(Bytes) kept[VECTORS], set_bits[VECTORS];
    EACH_VECTOR kept[v] = SPLAT(0);
    for (const Split *end = split + length; split <= end; split++) {
        const NAME(Bytes) bit = SPLAT(split->leaf);
        EACH_VECTOR set_bits[v] = NAME(either)(kept[v], bit);
        NAME(split)(split, codes, sets, has_sets, set_bits, 1, kept);
    }
    EACH_VECTOR STORE(slot + v * NAME(WIDTH), kept[v]);
}

static INLINE void NAME(run_bits)(const Run *run, const Split *split, const uint8_t *codes,
                                  const uint8_t *sets, uint8_t *slots, int has_sets) {
    for (int i = 0; i < run->count; i++, split += run->length + 1)
        for (int pass = 0; pass < BLOCK; pass += NAME(PASS))
            NAME(bits)(split, run->length, codes + pass, sets, slots + pass, has_sets);
}

/* One chain, on as many rows as fit into the registers. */
static INLINE void NAME(chain)(const Split *split, int length, const uint8_t *codes,
                               const uint8_t *sets, uint8_t *slots, int joins, int has_sets) {
    uint8_t *slot = slots + (int64_t)split->slot * BLOCK;
    NAME(Bytes) kept[VECTORS];
    if (joins) {
        const NAME(Bytes) *other = (const NAME(Bytes) *)(slots + (int64_t)split->other * BLOCK);
        const uint8_t *base = slots + (int64_t)split->base * BLOCK;
        EACH_VECTOR kept[v] = LOAD(base + v * NAME(WIDTH));
        NAME(split)(split, codes, sets, has_sets, other, 1, kept);
    } else {
        const NAME(Bytes) leaf = SPLAT(split->leaf), base = SPLAT(split->base);
        EACH_VECTOR kept[v] = base;
        NAME(split)(split, codes, sets, has_sets, &leaf, 0, kept);
    }
    for (const Split *end = split++ + length; split <= end; split++) {
        const NAME(Bytes) leaf = SPLAT(split->leaf);
        NAME(split)(split, codes, sets, has_sets, &leaf, 0, kept);
    }
    EACH_VECTOR STORE(slot + v * NAME(WIDTH), kept[v]);
}

static INLINE void NAME(run_chains)(const Run *run, const Split *split, const uint8_t *codes,
                                    const uint8_t *sets, uint8_t *slots, int joins,
                                    int has_sets) {
    for (int i = 0; i < run->count; i++, split += run->length + 1)
        for (int pass = 0; pass < BLOCK; pass += NAME(PASS))
            NAME(chain)(split, run->length, codes + pass, sets, slots + pass, joins, has_sets);
}

/* Leave the leaf numbers of each of the batch's trees in the tree's slot. */
static void NAME(evaluate)(const Forest *forest, int batch, const uint8_t *codes,
                           uint8_t *slots) {
    const Split *split = forest->splits + forest->first_split[batch];
    const Run *run = forest->runs + forest->first_run[batch];
    const Run *end = forest->runs + forest->first_run[batch + 1];
    const uint8_t *sets = forest->sets;
    for (; run < end; run++) {
        if (run->joins == SETS_BITS) {
            if (run->sets) NAME(run_bits)(run, split, codes, sets, slots, 1);
            else NAME(run_bits)(run, split, codes, sets, slots, 0);
        } else if (run->joins) {
            if (run->sets) NAME(run_chains)(run, split, codes, sets, slots, 1, 1);
            else NAME(run_chains)(run, split, codes, sets, slots, 1, 0);
        } else {
            if (run->sets) NAME(run_chains)(run, split, codes, sets, slots, 0, 1);
            else NAME(run_chains)(run, split, codes, sets, slots, 0, 0);
        }
        split += (int64_t)run->count * (run->length + 1);
    }
}

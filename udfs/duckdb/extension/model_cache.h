/* Models that are open, by what is in them. Threads and queries share them. */

#ifndef FORESQL_MODEL_CACHE_H
#define FORESQL_MODEL_CACHE_H

#include "../../../kernels/native/program.h"
#include "bundle_file.h"

typedef struct Cache Cache;

typedef struct Model {
    const Program *program;
    Cache *cache;
    /* The cache's own. */
    Program *opened;
    void *bytes;
    int64_t size;
    int64_t last_use;
    int users;
    char digest[65];
    struct Model *next;
} Model;

Cache *new_cache(void);
void hold_cache(Cache *cache);
void release_cache(Cache *cache); /* whoever is last frees it */

/* Give the model of a bundle that was just opened, reading its program if no query has it yet.
 * NULL with a message. Each model that was got is returned once. */
Model *get_model(Cache *cache, Files *files, const char *path, const BundleFile *bundle,
                 Message *message);
void return_model(Model *model);

/* Add to a count that threads share, under the cache's lock, and give the sum. */
int change_count(Cache *cache, int *count, int by);

#endif

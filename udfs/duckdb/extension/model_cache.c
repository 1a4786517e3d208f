/* A model is found by the digest of its bundle, so an alias that moved is another model, and no
 * entry is ever stale. Those that no query uses stay for the next one, as long as they are few. */

#include "model_cache.h"

#include <stdlib.h>
#include <string.h>

#ifdef _WIN32
#include <windows.h>
typedef SRWLOCK Lock;
#define make_lock(lock) InitializeSRWLock(lock)
#define end_lock(lock) ((void)(lock))
#define take(lock) AcquireSRWLockExclusive(lock)
#define let_go(lock) ReleaseSRWLockExclusive(lock)
#else
#include <pthread.h>
typedef pthread_mutex_t Lock;
#define make_lock(lock) pthread_mutex_init(lock, NULL)
#define end_lock(lock) pthread_mutex_destroy(lock)
#define take(lock) pthread_mutex_lock(lock)
#define let_go(lock) pthread_mutex_unlock(lock)
#endif

#define MOST_IDLE 16
#define MOST_IDLE_BYTES ((int64_t)256 << 20)

struct Cache {
    Lock lock;
    Model *models;
    int64_t clock;
    int holders; /* functions, and models in use */
};

Cache *new_cache(void)
{
    Cache *cache = calloc(1, sizeof *cache);
    if (cache != NULL) {
        make_lock(&cache->lock);
        cache->holders = 1;
    }
    return cache;
}

static void free_model(Model *model)
{
    foresql_program_close(model->opened);
    free(model->bytes);
    free(model);
}

static void free_cache(Cache *cache)
{
    while (cache->models != NULL) {
        Model *model = cache->models;
        cache->models = model->next;
        free_model(model);
    }
    end_lock(&cache->lock);
    free(cache);
}

int change_count(Cache *cache, int *count, int by)
{
    take(&cache->lock);
    int sum = *count += by;
    let_go(&cache->lock);
    return sum;
}

void hold_cache(Cache *cache)
{
    change_count(cache, &cache->holders, 1);
}

void release_cache(Cache *cache)
{
    if (change_count(cache, &cache->holders, -1) == 0)
        free_cache(cache);
}

/* Find a model and count one more user. The lock is held. */
static Model *find(Cache *cache, const char *digest)
{
    for (Model *model = cache->models; model != NULL; model = model->next)
        if (strcmp(model->digest, digest) == 0) {
            model->users++;
            cache->holders++;
            return model;
        }
    return NULL;
}

static Model *open_model(Cache *cache, Files *files, const char *path, const BundleFile *bundle,
                         Message *message)
{
    Message why = {""};
    Model *model = calloc(1, sizeof *model);
    if (model == NULL) {
        fail(message, "There is no memory for the model %s.", path);
        return NULL;
    }
    model->bytes = read_program(files, path, bundle, message);
    if (model->bytes == NULL) {
        free(model);
        return NULL;
    }
    if (foresql_program_open(model->bytes, bundle->program_size, &model->opened, why.text,
                             sizeof why.text) != 0) {
        fail(message, "%.400s: %.1200s", path, why.text);
        free(model->bytes);
        free(model);
        return NULL;
    }
    model->program = model->opened;
    model->cache = cache;
    model->size = bundle->program_size;
    memcpy(model->digest, bundle->digest, sizeof model->digest);
    return model;
}

Model *get_model(Cache *cache, Files *files, const char *path, const BundleFile *bundle,
                 Message *message)
{
    take(&cache->lock);
    Model *model = find(cache, bundle->digest);
    let_go(&cache->lock);
    if (model != NULL)
        return model;
    /* Without the lock: a large model takes a while, and other queries go on. */
    Model *opened = open_model(cache, files, path, bundle, message);
    if (opened == NULL)
        return NULL;
    take(&cache->lock);
    model = find(cache, bundle->digest);
    if (model == NULL) {
        opened->next = cache->models;
        cache->models = opened;
        model = find(cache, bundle->digest);
        opened = NULL;
    }
    let_go(&cache->lock);
    if (opened != NULL) /* another thread was first */
        free_model(opened);
    return model;
}

/* Take the model that was idle longest out of the list, if they are too many or too large. */
static Model *take_oldest(Cache *cache)
{
    Model **oldest = NULL;
    int64_t bytes = 0;
    int idle = 0;
    for (Model **at = &cache->models; *at != NULL; at = &(*at)->next) {
        if ((*at)->users > 0)
            continue;
        idle++;
        bytes += (*at)->size;
        if (oldest == NULL || (*at)->last_use < (*oldest)->last_use)
            oldest = at;
    }
    if (idle <= MOST_IDLE && (bytes <= MOST_IDLE_BYTES || idle <= 1))
        return NULL;
    Model *model = *oldest;
    *oldest = model->next;
    return model;
}

void return_model(Model *model)
{
    Cache *cache = model->cache;
    Model *gone;
    take(&cache->lock);
    model->users--;
    model->last_use = ++cache->clock;
    while ((gone = take_oldest(cache)) != NULL)
        free_model(gone);
    let_go(&cache->lock);
    release_cache(cache);
}

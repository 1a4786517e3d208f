/* Stands between DuckDB and the system, for a process that is started with LD_PRELOAD.

   DISTURBED_FILE   the database; what other files see is not disturbed
   DISTURBED_LOCK   a folder: the first lock of the file makes `reached` there, and waits for `go`
   DISTURBED_DIES   a number: before so many changes of the file, or its log, the process is killed */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static int is_ours(const char *path)
{
    const char *file = getenv("DISTURBED_FILE");
    return file && !strncmp(path, file, strlen(file));
}

static int is_open_on_ours(int descriptor)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0)
        return 0;
    path[size] = 0;
    return is_ours(path);
}

static void change(int is_of_ours)
{
    static long done;
    const char *dies = getenv("DISTURBED_DIES");
    if (is_of_ours && dies && done++ == atol(dies))
        kill(getpid(), SIGKILL);
}

static void wait_before_lock(int descriptor, int command)
{
    static int has_waited;
    char path[4096];
    const char *folder = getenv("DISTURBED_LOCK");
    if (!folder || has_waited || command != F_SETLK || !is_open_on_ours(descriptor))
        return;
    has_waited = 1;
    snprintf(path, sizeof path, "%s/reached", folder);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    snprintf(path, sizeof path, "%s/go", folder);
    while (access(path, F_OK))
        usleep(1000);
}

#define FCNTL(name)                                                                  \
    int name(int descriptor, int command, ...)                                       \
    {                                                                                \
        va_list rest;                                                                \
        va_start(rest, command);                                                     \
        void *argument = va_arg(rest, void *);                                       \
        va_end(rest);                                                                \
        wait_before_lock(descriptor, command);                                       \
        return ((int (*)(int, int, ...))dlsym(RTLD_NEXT, #name))(descriptor, command, argument); \
    }
FCNTL(fcntl)
FCNTL(fcntl64)

#define CHANGE(type, name, parameters, arguments, ours)                              \
    type name parameters                                                             \
    {                                                                                \
        change(ours);                                                                \
        return ((type(*) parameters)dlsym(RTLD_NEXT, #name)) arguments;              \
    }
CHANGE(ssize_t, write, (int d, const void *b, size_t n), (d, b, n), is_open_on_ours(d))
CHANGE(ssize_t, pwrite, (int d, const void *b, size_t n, off_t o), (d, b, n, o), is_open_on_ours(d))
CHANGE(ssize_t, pwrite64, (int d, const void *b, size_t n, off64_t o), (d, b, n, o), is_open_on_ours(d))
CHANGE(int, ftruncate, (int d, off_t n), (d, n), is_open_on_ours(d))
CHANGE(int, ftruncate64, (int d, off64_t n), (d, n), is_open_on_ours(d))
CHANGE(int, fsync, (int d), (d), is_open_on_ours(d))
CHANGE(int, fdatasync, (int d), (d), is_open_on_ours(d))
CHANGE(int, unlink, (const char *p), (p), is_ours(p))
CHANGE(int, remove, (const char *p), (p), is_ours(p))
CHANGE(int, rename, (const char *p, const char *q), (p, q), is_ours(p))

/* A disk that is full from a chosen write on, for one folder: loaded before the C library (LD_PRELOAD), so that Python,
   FFmpeg, SQLite, torch and Rust all write through here. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char folder[PATH_MAX];
static size_t length;
static long count, first;
static int lasting;

/* Writes below `place` are counted from 1 on; number `at`, and where `stays` all that follow, find no room. */
void full_disk(const char *place, long at, int stays) {
    strncpy(folder, place, sizeof folder - 1);
    length = strlen(folder);
    count = 0;
    first = at;
    lasting = stays;
}

long full_disk_writes(void) { return __atomic_load_n(&count, __ATOMIC_SEQ_CST); }

static int full(void) {
    long now = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (first && (lasting ? now >= first : now == first)) {
        errno = ENOSPC;
        return 1;
    }
    return 0;
}

static int below(const char *path) { return length && !strncmp(path, folder, length) && path[length] == '/'; }

static int named(const char *path) {
    char whole[PATH_MAX * 2];
    if (!length || !path) return 0;
    if (path[0] == '/') return below(path);
    if (!getcwd(whole, PATH_MAX)) return 0;
    strcat(whole, "/");
    strncat(whole, path, PATH_MAX - 1);
    return below(whole);
}

static int opened(int file) {
    char link[64], path[PATH_MAX];
    int before = errno;
    ssize_t size;
    if (!length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    size = readlink(link, path, sizeof path - 1);
    errno = before;
    if (size < 0) return 0;
    path[size] = 0;
    return below(path);
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define ON_FILE(type, name, parameters, given) \
    type name parameters { REAL(name); if (opened(file) && full()) return -1; return real given; }
#define ON_PATH(name, parameters, given, path) \
    int name parameters { REAL(name); if (named(path) && full()) return -1; return real given; }

ON_FILE(ssize_t, write, (int file, const void *data, size_t size), (file, data, size))
ON_FILE(ssize_t, pwrite, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
ON_FILE(ssize_t, pwrite64, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
ON_FILE(ssize_t, writev, (int file, const struct iovec *parts, int number), (file, parts, number))
ON_FILE(int, ftruncate64, (int file, off64_t size), (file, size))
ON_FILE(int, fsync, (int file), (file))
ON_FILE(int, fdatasync, (int file), (file))
ON_FILE(ssize_t, copy_file_range, (int from, off64_t *a, int file, off64_t *b, size_t size, unsigned flags),
        (from, a, file, b, size, flags))
ON_PATH(mkdir, (const char *path, mode_t mode), (path, mode), path)
ON_PATH(rename, (const char *from, const char *to), (from, to), to)
ON_PATH(link, (const char *from, const char *to), (from, to), to)
ON_PATH(symlink, (const char *from, const char *to), (from, to), to)

ssize_t sendfile64(int file, int from, off64_t *at, size_t size) {
    static ssize_t (*real)(int, int, off64_t *, size_t);
    if (!real) real = (ssize_t(*)(int, int, off64_t *, size_t))dlsym(RTLD_NEXT, "sendfile64");
    return opened(file) && full() ? -1 : real(file, from, at, size);
}

#define NEW_FILE(name) \
    int name(const char *path, int flags, ...) { \
        va_list more; \
        mode_t mode = 0; \
        REAL(name); \
        if (flags & (O_CREAT | O_TMPFILE)) { va_start(more, flags); mode = va_arg(more, mode_t); va_end(more); } \
        if (flags & O_CREAT && named(path) && access(path, F_OK) && full()) return -1; \
        return real(path, flags, mode); \
    }

NEW_FILE(open)
NEW_FILE(open64)

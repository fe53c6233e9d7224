/* A disk that fails, and what would be left of it after a power failure: preloaded into a daemon (see preload.py).

   While the file $BAD_DISK exists, it says what fails and how, as in "sync 5" or "write 28" (an errno), for files
   whose name has "chat.db" in it.

   Beside each file lies NAME.disk: what is on disk for sure. A write gets there with the next flush that succeeds.
   One whose flush failed never does, though it can be read back and though the next flush "succeeds": so does Linux. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define MOST 65536

static struct { char path[PATH_MAX]; off_t offset; size_t size; } unflushed[MOST];
static int writes;

static const char *name_of(int fd) {
    static __thread char path[PATH_MAX];
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size < 0 ? 0 : size] = 0;
    return strstr(path, "/chat.db") || strstr(path, "/chat.new") ? path : NULL;
}

static int fails(const char *path, const char *what) {
    char kind[16];
    int number = 0;
    const char *control = getenv("BAD_DISK");
    FILE *file = path && strstr(path, "/chat.db") && control ? fopen(control, "r") : NULL;
    if (!file) return 0;
    int found = fscanf(file, "%15s %d", kind, &number) == 2 && !strcmp(kind, what);
    fclose(file);
    if (found) errno = number;
    return found;
}

static void forget(const char *path, int fd) {
    char image[PATH_MAX + 8];
    snprintf(image, sizeof image, "%s.disk", path);
    int disk = fd < 0 ? -1 : open(image, O_WRONLY | O_CREAT, 0600), left = 0;
    for (int i = 0; i < writes; i++) {
        if (strcmp(unflushed[i].path, path)) { unflushed[left++] = unflushed[i]; continue; }
        char *data = disk < 0 ? NULL : malloc(unflushed[i].size);
        ssize_t size = data ? pread(fd, data, unflushed[i].size, unflushed[i].offset) : 0;
        REAL(pwrite64);
        if (size > 0 && real(disk, data, size, unflushed[i].offset) != size) abort();
        free(data);
    }
    writes = left;
    if (disk >= 0) close(disk);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    REAL(pwrite64);
    const char *path = name_of(fd);
    if (fails(path, "write")) return -1;
    ssize_t done = real(fd, data, size, offset);
    if (path && done > 0) {
        if (writes == MOST) abort();
        strcpy(unflushed[writes].path, path);
        unflushed[writes].offset = offset;
        unflushed[writes++].size = done;
    }
    return done;
}

static int flush(int (*real)(int), int fd) {
    const char *path = name_of(fd);
    if (fails(path, "sync")) { forget(path, -1); errno = EIO; return -1; }
    int done = real(fd);
    if (path && !done) forget(path, fd);
    return done;
}

int fdatasync(int fd) { REAL(fdatasync); return flush(real, fd); }
int fsync(int fd) { REAL(fsync); return flush(real, fd); }

int ftruncate64(int fd, off64_t size) {
    REAL(ftruncate64);
    char image[PATH_MAX + 8];
    const char *path = name_of(fd);
    if (path) { snprintf(image, sizeof image, "%s.disk", path); if (!access(image, F_OK)) truncate(image, size); }
    return real(fd, size);
}

int unlink(const char *path) {
    REAL(unlink);
    char image[PATH_MAX + 8];
    snprintf(image, sizeof image, "%s.disk", path);
    if (strstr(path, "/chat.db") || strstr(path, "/chat.new")) { forget(path, -1); real(image); }
    return real(path);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    char old[PATH_MAX + 8], new[PATH_MAX + 8];
    snprintf(old, sizeof old, "%s.disk", from);
    snprintf(new, sizeof new, "%s.disk", to);
    real(old, new);
    return real(from, to);
}

/* For LD_PRELOAD: a disk on which each fsync takes 2 ms longer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static int slower(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    struct timespec more = {0, 2000000};
    nanosleep(&more, NULL);
    return real(fd);
}

int fsync(int fd) { return slower("fsync", fd); }
int fdatasync(int fd) { return slower("fdatasync", fd); }

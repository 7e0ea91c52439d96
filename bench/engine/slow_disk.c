/* Preloaded into PostgreSQL: every flush of its log takes a millisecond longer, as on a volume that
   lives on the network. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

int fdatasync(int file) {
    static int (*real)(int);
    const struct timespec longer = {.tv_sec = 0, .tv_nsec = 1000000};
    if (!real) {
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    }
    int answer = real(file);
    nanosleep(&longer, 0);
    return answer;
}

/* tests/port/streams.h - what the tests of stream sockets share: pairs of connected ends, and what the OS process has open. */
#ifndef TESTS_PORT_STREAMS_H
#define TESTS_PORT_STREAMS_H

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include "waiting.h"

/* A listener of the caller's on a free port of loopback, with its address. */
static inline int listen_any(es_address *out)
{
    es_address any = parsed("127.0.0.1:0");
    int64_t fd = es_listen(&any, NULL);
    EXPECT(fd >= 0);
    EXPECT(es_local_address((int)fd, out) == ES_OK);
    return (int)fd;
}

/* Both ends of a connection, the caller's. */
static inline void connect_pair(int pair[2])
{
    es_address at;
    int listener = listen_any(&at);
    int64_t one = es_connect(&at, in_ms(5000)), other = es_accept(listener, NULL, in_ms(5000));
    EXPECT(one >= 0);
    EXPECT(other >= 0);
    EXPECT(es_close(listener) == ES_OK);
    pair[0] = (int)one;
    pair[1] = (int)other;
}

/* How many descriptors the OS process has open, but for files of /proc: the folder that is read here, and what the watchdog looks at when a process
 * runs for long. */
static inline int descriptors_open(void)
{
    int count = 0;
    char target[8];
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *entry; (entry = readdir(folder));) {
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target);
        count += length > 0 && !(length >= 6 && memcmp(target, "/proc/", 6) == 0);
    }
    closedir(folder);
    return count;
}

/* Byte number `i` of what the tests send. */
static inline char byte_at(size_t i)
{
    return (char)((i * 2654435761u) >> 13);
}

#endif

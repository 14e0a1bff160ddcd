/* engset/base.h - what every other header needs: versions, errors, attributes.
 *
 * Functions and types here and in the other headers of engset/ compile as C11, C17, C2x and
 * C++17; the macros that build, match and receive are C only. */
#ifndef ENGSET_BASE_H
#define ENGSET_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ES_VERSION_MAJOR  0
#define ES_VERSION_MINOR  1
#define ES_VERSION_PATCH  0
#define ES_VERSION_NUMBER (ES_VERSION_MAJOR * 10000 + ES_VERSION_MINOR * 100 + ES_VERSION_PATCH)

#ifdef __cplusplus
#define ES_BEGIN_DECLS extern "C" {
#define ES_END_DECLS   }
#define ES_NORETURN    __attribute__((noreturn)) /* [[noreturn]] may not follow ES_API */
#else
#define ES_BEGIN_DECLS
#define ES_END_DECLS
#define ES_NORETURN _Noreturn
#endif

#define ES_API     __attribute__((visibility("default")))
#define ES_CHECKED __attribute__((warn_unused_result))

ES_BEGIN_DECLS

/* What a call gives back that can fail for a reason that is not the caller's mistake.
 * ES_OK is 0, all others are negative. A function with a count gives int64_t: a count >= 0 or one of these. */
typedef enum es_err {
    ES_OK = 0,
    ES_ENOMEM = -1,      /* no memory */
    ES_ENOPROC = -2,     /* not called from a process, or no such process */
    ES_ENAME = -3,       /* nobody has that name */
    ES_ETAKEN = -4,      /* the name is taken, or the process has one already */
    ES_ELIMIT = -5,      /* a table or a limit is full (Erlang: system_limit) */
    ES_ETIMEOUT = -6,    /* the time is over */
    ES_ECLOSED = -7,     /* it is closed, or the other side ended */
    ES_EINVAL = -8,      /* an argument that makes no sense here (Erlang: badarg) */
    ES_ESYNTAX = -9,     /* text that is no term */
    ES_EDEADLK = -10,    /* waiting would close a circle */
    ES_ERANGE = -11,     /* a number does not fit */
    ES_EOS = -12,        /* the operating system refused: errno tells */
    ES_EEXIST = -13,     /* it is there already */
    ES_ENOTFOUND = -14,  /* it is not there */
    ES_EFULL = -15,      /* the receiver's mailbox is full: for programs, no call of ours gives it */
    ES_ETRUNCATED = -16, /* the other side ended without saying that it does: there may have been more */
    ES_EPROTO = -17,     /* the other side does not keep to the protocol, or the two cannot agree */
    ES_EAUTH = -18,      /* the other side did not prove who it is */
    ES_EIGNORE = -19,    /* the process that was started did not want to run (Erlang: ignore) */
    ES_EBUSY = -20,      /* just now it cannot be; later it may (Erlang: restarting) */
} es_err;

/* The name of an error, "ES_ENOMEM". Never NULL; static text. Any thread. */
ES_API const char *es_err_name(es_err error);

/* What an error means, in words: "no memory". Never NULL; static text. Any thread. */
ES_API const char *es_strerror(es_err error);

/* The library's version as ES_VERSION_NUMBER was when it was built. Any thread. */
ES_API int es_version(void);

ES_END_DECLS
#endif

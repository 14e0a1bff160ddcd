/* platform/sanitize.h - which checkers this build runs under.
 *
 * Sets ESI_ASAN and ESI_TSAN to 1 or 0 for both compilers, and ESI_VALGRIND to 1 where valgrind's requests are to be had: RUNNING_ON_VALGRIND says whether
 * it runs us, 0 where they are not. What a checker must be told stands where it
 * is told: fiber.h, stack.c. Who compiles for ThreadSanitizer's calls but brings a library of his own (tests/explore) sets ESI_TSAN to 0. */
#ifndef PLATFORM_SANITIZE_H
#define PLATFORM_SANITIZE_H

#if defined(__SANITIZE_ADDRESS__)
#define ESI_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ESI_ASAN 1
#endif
#endif
#ifndef ESI_ASAN
#define ESI_ASAN 0
#endif

#ifndef ESI_TSAN
#if defined(__SANITIZE_THREAD__)
#define ESI_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define ESI_TSAN 1
#endif
#endif
#endif
#ifndef ESI_TSAN
#define ESI_TSAN 0
#endif

#if defined(__has_include)
#if __has_include(<valgrind/memcheck.h>)
#include <valgrind/memcheck.h>
#define ESI_VALGRIND 1
#endif
#endif
#ifndef ESI_VALGRIND
#define ESI_VALGRIND        0
#define RUNNING_ON_VALGRIND 0
#endif

#endif

/* foreign_library.h - see foreign_library.c. */
#ifndef TESTS_STORY_FOREIGN_LIBRARY_H
#define TESTS_STORY_FOREIGN_LIBRARY_H

/* Calls `callback` with `argument` and gives one more than what it gives. */
__attribute__((visibility("default"))) int call_back(int (*callback)(void *), void *argument);

#endif

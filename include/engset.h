/* engset.h - the front door: processes, messages, links and monitors for C. */
#ifndef ENGSET_H
#define ENGSET_H
#include <engset/base.h>
#include <engset/term.h>
#include <engset/match.h>
#include <engset/struct.h>
#endif

/* engset.h - the front door: processes, messages, links and monitors for C. */
#ifndef ENGSET_H
#define ENGSET_H
#include <engset/base.h>
#include <engset/mark.h>
#include <engset/term.h>
#include <engset/struct.h>
#ifndef __cplusplus
#include <engset/match.h>
#endif
#include <engset/proc.h>
#include <engset/receive.h>
#include <engset/link.h>
#include <engset/port.h>
#include <engset/blocking.h>
#include <engset/child.h>
#include <engset/file.h>
#include <engset/resolve.h>
#include <engset/simulate.h>
#endif

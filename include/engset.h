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
#include <engset/logger.h>
#include <engset/port.h>
#include <engset/blocking.h>
#include <engset/child.h>
#include <engset/file.h>
#include <engset/resolve.h>
#include <engset/behaviour.h>
#include <engset/server.h>
#include <engset/event.h>
#include <engset/request.h>
#include <engset/pool.h>
#include <engset/statem.h>
#include <engset/supervisor.h>
#include <engset/application.h>
#include <engset/sys.h>
#include <engset/task.h>
#include <engset/simulate.h>
#endif

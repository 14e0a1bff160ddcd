/* proc/stop_signal.h - signals from outside, while a node runs: SIGTERM and SIGINT stop it in order, a second one at once; SIGPIPE, SIGHUP and
 * SIGUSR1 do nothing. What the program has set for one of them stays as it is. Source: OTP's erl_signal_server for SIGTERM. */
#ifndef PROC_STOP_SIGNAL_H
#define PROC_STOP_SIGNAL_H

/* From here on `stop` is called at such a signal: in a signal handler, in any thread that does not belong to the node. Not twice in a row. */
void esi_stop_signal_start(void (*stop)(void));

/* Everything is as before. */
void esi_stop_signal_end(void);

#endif

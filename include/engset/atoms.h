/* engset/atoms.h - the atoms that the library itself knows, as constants.
 *
 * es_am_ok is the atom ok: no load, no table, usable in static data. The name is the text, with four kinds
 * of exceptions: es_am_nonode_nohost is nonode@nohost, es_am_gen_call is '$gen_call' (and likewise gen_cast,
 * gen_all_state_event, gen_sync_all_state_event, ancestors), es_am_call_initial is '$initial_call'. Their numbers
 * never leave the OS process, so they may change with each version.
 *
 * undefined is the first: a zeroed es_atom in a literal is that. */
#ifndef ENGSET_ATOMS_H
#define ENGSET_ATOMS_H

#ifdef __cplusplus
#define ESI_AM(number) (es_atom{(uint64_t)(number) << 3 | 2})
#else
#define ESI_AM(number) ((es_atom){(uint64_t)(number) << 3 | 2})
#endif

enum {
    ESI_AM_undefined,
    ESI_AM_false,
    ESI_AM_true,
    ESI_AM_ok,
    ESI_AM_error,
    ESI_AM_normal,
    ESI_AM_kill,
    ESI_AM_killed,
    ESI_AM_shutdown,
    ESI_AM_noproc,
    ESI_AM_noconnection,
    ESI_AM_timeout,
    ESI_AM_infinity,
    ESI_AM_badarg,
    ESI_AM_system_limit,
    ESI_AM_EXIT,
    ESI_AM_DOWN,
    ESI_AM_process,
    ESI_AM_port,
    ESI_AM_time_offset,
    ESI_AM_nonode_nohost,
    ESI_AM_signal,
    ESI_AM_sigsegv,
    ESI_AM_sigbus,
    ESI_AM_sigfpe,
    ESI_AM_sigill,
    ESI_AM_sigabrt,
    ESI_AM_sigtrap,
    ESI_AM_sigterm,
    ESI_AM_stack_overflow,
    ESI_AM_abort,
    ESI_AM_undef,
    ESI_AM_nocatch,
    ESI_AM_function_clause,
    ESI_AM_badmatch,
    ESI_AM_case_clause,
    ESI_AM_if_clause,
    ESI_AM_try_clause,
    ESI_AM_badarith,
    ESI_AM_badfun,
    ESI_AM_badarity,
    ESI_AM_badmap,
    ESI_AM_badkey,
    ESI_AM_timeout_value,
    ESI_AM_calling_self,
    ESI_AM_name,
    ESI_AM_low,
    ESI_AM_high,
    ESI_AM_max,
    ESI_AM_cancel_timer,
    ESI_AM_start_timer,
    ESI_AM_call,
    ESI_AM_cast,
    ESI_AM_reply,
    ESI_AM_noreply,
    ESI_AM_stop,
    ESI_AM_system,
    ESI_AM_message_limit,
    ESI_AM_memory_limit,
    ESI_AM_stranded,
    ESI_AM_double_free,
    ESI_AM_not_owner,
    ESI_AM_use_after_give,
    ESI_AM_alias,
    ESI_AM_unalias,
    ESI_AM_explicit_unalias,
    ESI_AM_reply_demonitor,
    ESI_AM_demonitor,
    ESI_AM_monitor,
    ESI_AM_link,
    ESI_AM_unlink,
    ESI_AM_exit,
    ESI_AM_flush,
    ESI_AM_info,
    ESI_AM_nodedown,
    ESI_AM_nodeup,
    ESI_AM_node,
    ESI_AM_nodes,
    ESI_AM_local,
    ESI_AM_global,
    ESI_AM_remote,
    ESI_AM_priority,
    ESI_AM_group_leader,
    ESI_AM_trap_exit,
    ESI_AM_registered_name,
    ESI_AM_messages,
    ESI_AM_message_queue_len,
    ESI_AM_status,
    ESI_AM_running,
    ESI_AM_runnable,
    ESI_AM_waiting,
    ESI_AM_suspended,
    ESI_AM_exiting,
    ESI_AM_hibernate,
    ESI_AM_current_function,
    ESI_AM_initial_call,
    ESI_AM_reductions,
    ESI_AM_memory,
    ESI_AM_links,
    ESI_AM_monitors,
    ESI_AM_monitored_by,
    ESI_AM_dictionary,
    ESI_AM_heap_size,
    ESI_AM_total_heap_size,
    ESI_AM_stack_size,
    ESI_AM_start,
    ESI_AM_start_link,
    ESI_AM_permanent,
    ESI_AM_transient,
    ESI_AM_temporary,
    ESI_AM_worker,
    ESI_AM_supervisor,
    ESI_AM_brutal_kill,
    ESI_AM_one_for_one,
    ESI_AM_one_for_all,
    ESI_AM_rest_for_one,
    ESI_AM_simple_one_for_one,
    ESI_AM_already_started,
    ESI_AM_already_present,
    ESI_AM_already_registered,
    ESI_AM_not_found,
    ESI_AM_not_started,
    ESI_AM_restarting,
    ESI_AM_restart,
    ESI_AM_child,
    ESI_AM_children,
    ESI_AM_which_children,
    ESI_AM_count_children,
    ESI_AM_start_child,
    ESI_AM_terminate_child,
    ESI_AM_delete_child,
    ESI_AM_restart_child,
    ESI_AM_get_state,
    ESI_AM_replace_state,
    ESI_AM_get_status,
    ESI_AM_code_change,
    ESI_AM_change_code,
    ESI_AM_terminate,
    ESI_AM_init,
    ESI_AM_suspend,
    ESI_AM_resume,
    ESI_AM_get,
    ESI_AM_debug,
    ESI_AM_trace,
    ESI_AM_log,
    ESI_AM_state,
    ESI_AM_data,
    ESI_AM_event,
    ESI_AM_enter,
    ESI_AM_continue,
    ESI_AM_state_timeout,
    ESI_AM_gen_call,
    ESI_AM_gen_cast,
    ESI_AM_gen_all_state_event,
    ESI_AM_gen_sync_all_state_event,
    ESI_AM_ancestors,
    ESI_AM_call_initial,
    ESI_AM_tcp,
    ESI_AM_udp,
    ESI_AM_tcp_passive,
    ESI_AM_tcp_closed,
    ESI_AM_tcp_error,
    ESI_AM_udp_error,
    ESI_AM_closed,
    ESI_AM_eof,
    ESI_AM_open,
    ESI_AM_close,
    ESI_AM_read,
    ESI_AM_write,
    ESI_AM_append,
    ESI_AM_listen,
    ESI_AM_accept,
    ESI_AM_connect,
    ESI_AM_connected,
    ESI_AM_send,
    ESI_AM_recv,
    ESI_AM_binary,
    ESI_AM_list,
    ESI_AM_active,
    ESI_AM_passive,
    ESI_AM_once,
    ESI_AM_command,
    ESI_AM_exit_status,
    ESI_AM_eol,
    ESI_AM_noeol,
    ESI_AM_line,
    ESI_AM_packet,
    ESI_AM_enoent,
    ESI_AM_eacces,
    ESI_AM_eexist,
    ESI_AM_econnrefused,
    ESI_AM_econnreset,
    ESI_AM_etimedout,
    ESI_AM_eaddrinuse,
    ESI_AM_eaddrnotavail,
    ESI_AM_ehostunreach,
    ESI_AM_enetunreach,
    ESI_AM_epipe,
    ESI_AM_einval,
    ESI_AM_emfile,
    ESI_AM_enfile,
    ESI_AM_enomem,
    ESI_AM_enospc,
    ESI_AM_enotconn,
    ESI_AM_eintr,
    ESI_AM_eagain,
    ESI_AM_eisdir,
    ESI_AM_enotdir,
    ESI_AM_eperm,
    ESI_AM_eio,
    ESI_AM_protocol,
    ESI_AM_stale_state,
    ESI_AM_peer_gone,
    ESI_AM_deadlock,
    ESI_AM_branch,
    ESI_AM_alt_changed,
    ESI_AM_wrong_type,
    ESI_AM_rex,
    ESI_AM_net_kernel,
    ESI_AM_pg,
    ESI_AM_is_auth,
    ESI_AM_yes,
    ESI_AM_no,
    ESI_AM_features,
    ESI_AM_erlang,
    ESI_AM_badrpc,
    ESI_AM_spawn_request,
    ESI_AM_spawn_reply,
    ESI_AM_spawn_init,
    ESI_AM_alive,
    ESI_AM_not_alive,
    ESI_AM_hidden,
    ESI_AM_visible,
    ESI_AM_user,
    ESI_AM_io_request,
    ESI_AM_io_reply,
    ESI_AM_put_chars,
    ESI_AM_get_line,
    ESI_AM_unicode,
    ESI_AM_latin1,
    ESI_AM_timer,
    ESI_AM_tick,
    ESI_AM_tock,
    ESI_AM_upgrade,
    ESI_AM_downgrade,
    ESI_AM_version,
    ESI_AM_versions,
    ESI_AM_module,
    ESI_AM_function,
    ESI_AM_arity,
    ESI_AM_file,
    ESI_AM_reason,
    ESI_AM_mfa,
    ESI_AM_pid,
    ESI_AM_reference,
    ESI_AM_fun,
    ESI_AM_tuple,
    ESI_AM_map,
    ESI_AM_atom,
    ESI_AM_integer,
    ESI_AM_float,
    ESI_AM_number,
    ESI_AM_bitstring,
    ESI_AM_nil,
    ESI_AM_any,
    ESI_AM_none,
    ESI_AM_all,
    ESI_AM_self,
    ESI_AM_parent,
    ESI_AM_label,
    ESI_AM_limit,
    ESI_AM_drop_newest,
    ESI_AM_drop_oldest,
    ESI_AM_kill_receiver,
    ESI_AM_queue,
    ESI_AM_queue_full,
    ESI_AM_badcookie,
    ESI_AM_not_allowed,
    ESI_AM_duplicate,
    ESI_AM_uniform,
    ESI_AM_application,
    ESI_AM_applications,
    ESI_AM_loaded,
    ESI_AM_unloaded,
    ESI_AM_started,
    ESI_AM_stopped,
    ESI_AM_starting,
    ESI_AM_stopping,
    ESI_AM_depth,
    ESI_AM_text,
    ESI_AM_length,
    ESI_AM_size,
    ESI_AM_bytes,
    ESI_AM_key,
    ESI_AM_value,
    ESI_AM_keys,
    ESI_AM_values,
    ESI_AM_id,
    ESI_AM_type,
    ESI_AM_class,
    ESI_AM_stacktrace,
    ESI_AM_throw,
    ESI_AM_purge,
    ESI_AM_soft_purge,
    ESI_AM_soft,
    ESI_AM_hard,
    ESI_AM_code,
    ESI_AM_load,
    ESI_AM_unload,
    ESI_AM_old,
    ESI_AM_new,
    ESI_AM_current,
    ESI_AM_rollback,
    ESI_AM_isolated,
    ESI_AM_lost,
    ESI_AM_gone,
    ESI_AM_busy,
    ESI_AM_idle,
    ESI_AM_empty,
    ESI_AM_full,
    ESI_AM_first,
    ESI_AM_last,
    ESI_AM_left,
    ESI_AM_right,
    ESI_AM_up,
    ESI_AM_down,
    ESI_AM_add,
    ESI_AM_remove,
    ESI_AM_update,
    ESI_AM_insert,
    ESI_AM_delete,
    ESI_AM_lookup,
    ESI_AM_set,
    ESI_AM_put,
    ESI_AM_create,
    ESI_AM_destroy,
    ESI_AM_open_port,
    ESI_AM_port_closed,
    ESI_AM_port_command,
    ESI_AM_badsig,
    ESI_AM_driver,
    ESI_AM_subscribe,
    ESI_AM_unsubscribe,
    ESI_AM_notify,
    ESI_AM_publish,
    ESI_AM_join,
    ESI_AM_leave,
    ESI_AM_members,
    ESI_AM_groups,
    ESI_AM_scope,
    ESI_AM_request,
    ESI_AM_response,
    ESI_AM_result,
    ESI_AM_answer,
    ESI_AM_question,
    ESI_AM_cancel,
    ESI_AM_cancelled,
    ESI_AM_canceled,
    ESI_AM_done,
    ESI_AM_failed,
    ESI_AM_failure,
    ESI_AM_success,
    ESI_AM_retry,
    ESI_AM_abandoned,
    ESI_AM_alarm,
    ESI_AM_warning,
    ESI_AM_notice,
    ESI_AM_critical,
    ESI_AM_emergency,
    ESI_AM_progress,
    ESI_AM_report,
    ESI_AM_crash,
    ESI_AM_crash_report,
    ESI_AM_error_report,
    ESI_AM_supervisor_report,
    ESI_AM_child_terminated,
    ESI_AM_start_error,
    ESI_AM_shutdown_error,
    ESI_AM_reached_max_restart_intensity,
    ESI_AM_connection_closed,
    ESI_AM_nxdomain,
    ESI_AM_nodistribution,
    ESI_AM_net_tick_timeout,
    ESI_AM_disconnect,
    ESI_AM_connection_setup_failed,
    ESI_AM_get_status_failed,
    ESI_AM_send_net_tick_failed,
    ESI_AM_child_exit,
    ESI_AM_COUNT
};

#define es_am_undefined                     ESI_AM(ESI_AM_undefined)
#define es_am_false                         ESI_AM(ESI_AM_false)
#define es_am_true                          ESI_AM(ESI_AM_true)
#define es_am_ok                            ESI_AM(ESI_AM_ok)
#define es_am_error                         ESI_AM(ESI_AM_error)
#define es_am_normal                        ESI_AM(ESI_AM_normal)
#define es_am_kill                          ESI_AM(ESI_AM_kill)
#define es_am_killed                        ESI_AM(ESI_AM_killed)
#define es_am_shutdown                      ESI_AM(ESI_AM_shutdown)
#define es_am_noproc                        ESI_AM(ESI_AM_noproc)
#define es_am_noconnection                  ESI_AM(ESI_AM_noconnection)
#define es_am_timeout                       ESI_AM(ESI_AM_timeout)
#define es_am_infinity                      ESI_AM(ESI_AM_infinity)
#define es_am_badarg                        ESI_AM(ESI_AM_badarg)
#define es_am_system_limit                  ESI_AM(ESI_AM_system_limit)
#define es_am_EXIT                          ESI_AM(ESI_AM_EXIT)
#define es_am_DOWN                          ESI_AM(ESI_AM_DOWN)
#define es_am_process                       ESI_AM(ESI_AM_process)
#define es_am_port                          ESI_AM(ESI_AM_port)
#define es_am_time_offset                   ESI_AM(ESI_AM_time_offset)
#define es_am_nonode_nohost                 ESI_AM(ESI_AM_nonode_nohost)
#define es_am_signal                        ESI_AM(ESI_AM_signal)
#define es_am_sigsegv                       ESI_AM(ESI_AM_sigsegv)
#define es_am_sigbus                        ESI_AM(ESI_AM_sigbus)
#define es_am_sigfpe                        ESI_AM(ESI_AM_sigfpe)
#define es_am_sigill                        ESI_AM(ESI_AM_sigill)
#define es_am_sigabrt                       ESI_AM(ESI_AM_sigabrt)
#define es_am_sigtrap                       ESI_AM(ESI_AM_sigtrap)
#define es_am_sigterm                       ESI_AM(ESI_AM_sigterm)
#define es_am_stack_overflow                ESI_AM(ESI_AM_stack_overflow)
#define es_am_abort                         ESI_AM(ESI_AM_abort)
#define es_am_undef                         ESI_AM(ESI_AM_undef)
#define es_am_nocatch                       ESI_AM(ESI_AM_nocatch)
#define es_am_function_clause               ESI_AM(ESI_AM_function_clause)
#define es_am_badmatch                      ESI_AM(ESI_AM_badmatch)
#define es_am_case_clause                   ESI_AM(ESI_AM_case_clause)
#define es_am_if_clause                     ESI_AM(ESI_AM_if_clause)
#define es_am_try_clause                    ESI_AM(ESI_AM_try_clause)
#define es_am_badarith                      ESI_AM(ESI_AM_badarith)
#define es_am_badfun                        ESI_AM(ESI_AM_badfun)
#define es_am_badarity                      ESI_AM(ESI_AM_badarity)
#define es_am_badmap                        ESI_AM(ESI_AM_badmap)
#define es_am_badkey                        ESI_AM(ESI_AM_badkey)
#define es_am_timeout_value                 ESI_AM(ESI_AM_timeout_value)
#define es_am_calling_self                  ESI_AM(ESI_AM_calling_self)
#define es_am_name                          ESI_AM(ESI_AM_name)
#define es_am_low                           ESI_AM(ESI_AM_low)
#define es_am_high                          ESI_AM(ESI_AM_high)
#define es_am_max                           ESI_AM(ESI_AM_max)
#define es_am_cancel_timer                  ESI_AM(ESI_AM_cancel_timer)
#define es_am_start_timer                   ESI_AM(ESI_AM_start_timer)
#define es_am_call                          ESI_AM(ESI_AM_call)
#define es_am_cast                          ESI_AM(ESI_AM_cast)
#define es_am_reply                         ESI_AM(ESI_AM_reply)
#define es_am_noreply                       ESI_AM(ESI_AM_noreply)
#define es_am_stop                          ESI_AM(ESI_AM_stop)
#define es_am_system                        ESI_AM(ESI_AM_system)
#define es_am_message_limit                 ESI_AM(ESI_AM_message_limit)
#define es_am_memory_limit                  ESI_AM(ESI_AM_memory_limit)
#define es_am_stranded                      ESI_AM(ESI_AM_stranded)
#define es_am_double_free                   ESI_AM(ESI_AM_double_free)
#define es_am_not_owner                     ESI_AM(ESI_AM_not_owner)
#define es_am_use_after_give                ESI_AM(ESI_AM_use_after_give)
#define es_am_alias                         ESI_AM(ESI_AM_alias)
#define es_am_unalias                       ESI_AM(ESI_AM_unalias)
#define es_am_explicit_unalias              ESI_AM(ESI_AM_explicit_unalias)
#define es_am_reply_demonitor               ESI_AM(ESI_AM_reply_demonitor)
#define es_am_demonitor                     ESI_AM(ESI_AM_demonitor)
#define es_am_monitor                       ESI_AM(ESI_AM_monitor)
#define es_am_link                          ESI_AM(ESI_AM_link)
#define es_am_unlink                        ESI_AM(ESI_AM_unlink)
#define es_am_exit                          ESI_AM(ESI_AM_exit)
#define es_am_flush                         ESI_AM(ESI_AM_flush)
#define es_am_info                          ESI_AM(ESI_AM_info)
#define es_am_nodedown                      ESI_AM(ESI_AM_nodedown)
#define es_am_nodeup                        ESI_AM(ESI_AM_nodeup)
#define es_am_node                          ESI_AM(ESI_AM_node)
#define es_am_nodes                         ESI_AM(ESI_AM_nodes)
#define es_am_local                         ESI_AM(ESI_AM_local)
#define es_am_global                        ESI_AM(ESI_AM_global)
#define es_am_remote                        ESI_AM(ESI_AM_remote)
#define es_am_priority                      ESI_AM(ESI_AM_priority)
#define es_am_group_leader                  ESI_AM(ESI_AM_group_leader)
#define es_am_trap_exit                     ESI_AM(ESI_AM_trap_exit)
#define es_am_registered_name               ESI_AM(ESI_AM_registered_name)
#define es_am_messages                      ESI_AM(ESI_AM_messages)
#define es_am_message_queue_len             ESI_AM(ESI_AM_message_queue_len)
#define es_am_status                        ESI_AM(ESI_AM_status)
#define es_am_running                       ESI_AM(ESI_AM_running)
#define es_am_runnable                      ESI_AM(ESI_AM_runnable)
#define es_am_waiting                       ESI_AM(ESI_AM_waiting)
#define es_am_suspended                     ESI_AM(ESI_AM_suspended)
#define es_am_exiting                       ESI_AM(ESI_AM_exiting)
#define es_am_hibernate                     ESI_AM(ESI_AM_hibernate)
#define es_am_current_function              ESI_AM(ESI_AM_current_function)
#define es_am_initial_call                  ESI_AM(ESI_AM_initial_call)
#define es_am_reductions                    ESI_AM(ESI_AM_reductions)
#define es_am_memory                        ESI_AM(ESI_AM_memory)
#define es_am_links                         ESI_AM(ESI_AM_links)
#define es_am_monitors                      ESI_AM(ESI_AM_monitors)
#define es_am_monitored_by                  ESI_AM(ESI_AM_monitored_by)
#define es_am_dictionary                    ESI_AM(ESI_AM_dictionary)
#define es_am_heap_size                     ESI_AM(ESI_AM_heap_size)
#define es_am_total_heap_size               ESI_AM(ESI_AM_total_heap_size)
#define es_am_stack_size                    ESI_AM(ESI_AM_stack_size)
#define es_am_start                         ESI_AM(ESI_AM_start)
#define es_am_start_link                    ESI_AM(ESI_AM_start_link)
#define es_am_permanent                     ESI_AM(ESI_AM_permanent)
#define es_am_transient                     ESI_AM(ESI_AM_transient)
#define es_am_temporary                     ESI_AM(ESI_AM_temporary)
#define es_am_worker                        ESI_AM(ESI_AM_worker)
#define es_am_supervisor                    ESI_AM(ESI_AM_supervisor)
#define es_am_brutal_kill                   ESI_AM(ESI_AM_brutal_kill)
#define es_am_one_for_one                   ESI_AM(ESI_AM_one_for_one)
#define es_am_one_for_all                   ESI_AM(ESI_AM_one_for_all)
#define es_am_rest_for_one                  ESI_AM(ESI_AM_rest_for_one)
#define es_am_simple_one_for_one            ESI_AM(ESI_AM_simple_one_for_one)
#define es_am_already_started               ESI_AM(ESI_AM_already_started)
#define es_am_already_present               ESI_AM(ESI_AM_already_present)
#define es_am_already_registered            ESI_AM(ESI_AM_already_registered)
#define es_am_not_found                     ESI_AM(ESI_AM_not_found)
#define es_am_not_started                   ESI_AM(ESI_AM_not_started)
#define es_am_restarting                    ESI_AM(ESI_AM_restarting)
#define es_am_restart                       ESI_AM(ESI_AM_restart)
#define es_am_child                         ESI_AM(ESI_AM_child)
#define es_am_children                      ESI_AM(ESI_AM_children)
#define es_am_which_children                ESI_AM(ESI_AM_which_children)
#define es_am_count_children                ESI_AM(ESI_AM_count_children)
#define es_am_start_child                   ESI_AM(ESI_AM_start_child)
#define es_am_terminate_child               ESI_AM(ESI_AM_terminate_child)
#define es_am_delete_child                  ESI_AM(ESI_AM_delete_child)
#define es_am_restart_child                 ESI_AM(ESI_AM_restart_child)
#define es_am_get_state                     ESI_AM(ESI_AM_get_state)
#define es_am_replace_state                 ESI_AM(ESI_AM_replace_state)
#define es_am_get_status                    ESI_AM(ESI_AM_get_status)
#define es_am_code_change                   ESI_AM(ESI_AM_code_change)
#define es_am_change_code                   ESI_AM(ESI_AM_change_code)
#define es_am_terminate                     ESI_AM(ESI_AM_terminate)
#define es_am_init                          ESI_AM(ESI_AM_init)
#define es_am_suspend                       ESI_AM(ESI_AM_suspend)
#define es_am_resume                        ESI_AM(ESI_AM_resume)
#define es_am_get                           ESI_AM(ESI_AM_get)
#define es_am_debug                         ESI_AM(ESI_AM_debug)
#define es_am_trace                         ESI_AM(ESI_AM_trace)
#define es_am_log                           ESI_AM(ESI_AM_log)
#define es_am_state                         ESI_AM(ESI_AM_state)
#define es_am_data                          ESI_AM(ESI_AM_data)
#define es_am_event                         ESI_AM(ESI_AM_event)
#define es_am_enter                         ESI_AM(ESI_AM_enter)
#define es_am_continue                      ESI_AM(ESI_AM_continue)
#define es_am_state_timeout                 ESI_AM(ESI_AM_state_timeout)
#define es_am_gen_call                      ESI_AM(ESI_AM_gen_call)
#define es_am_gen_cast                      ESI_AM(ESI_AM_gen_cast)
#define es_am_gen_all_state_event           ESI_AM(ESI_AM_gen_all_state_event)
#define es_am_gen_sync_all_state_event      ESI_AM(ESI_AM_gen_sync_all_state_event)
#define es_am_ancestors                     ESI_AM(ESI_AM_ancestors)
#define es_am_call_initial                  ESI_AM(ESI_AM_call_initial)
#define es_am_tcp                           ESI_AM(ESI_AM_tcp)
#define es_am_udp                           ESI_AM(ESI_AM_udp)
#define es_am_tcp_passive                   ESI_AM(ESI_AM_tcp_passive)
#define es_am_tcp_closed                    ESI_AM(ESI_AM_tcp_closed)
#define es_am_tcp_error                     ESI_AM(ESI_AM_tcp_error)
#define es_am_udp_error                     ESI_AM(ESI_AM_udp_error)
#define es_am_closed                        ESI_AM(ESI_AM_closed)
#define es_am_eof                           ESI_AM(ESI_AM_eof)
#define es_am_open                          ESI_AM(ESI_AM_open)
#define es_am_close                         ESI_AM(ESI_AM_close)
#define es_am_read                          ESI_AM(ESI_AM_read)
#define es_am_write                         ESI_AM(ESI_AM_write)
#define es_am_append                        ESI_AM(ESI_AM_append)
#define es_am_listen                        ESI_AM(ESI_AM_listen)
#define es_am_accept                        ESI_AM(ESI_AM_accept)
#define es_am_connect                       ESI_AM(ESI_AM_connect)
#define es_am_connected                     ESI_AM(ESI_AM_connected)
#define es_am_send                          ESI_AM(ESI_AM_send)
#define es_am_recv                          ESI_AM(ESI_AM_recv)
#define es_am_binary                        ESI_AM(ESI_AM_binary)
#define es_am_list                          ESI_AM(ESI_AM_list)
#define es_am_active                        ESI_AM(ESI_AM_active)
#define es_am_passive                       ESI_AM(ESI_AM_passive)
#define es_am_once                          ESI_AM(ESI_AM_once)
#define es_am_command                       ESI_AM(ESI_AM_command)
#define es_am_exit_status                   ESI_AM(ESI_AM_exit_status)
#define es_am_eol                           ESI_AM(ESI_AM_eol)
#define es_am_noeol                         ESI_AM(ESI_AM_noeol)
#define es_am_line                          ESI_AM(ESI_AM_line)
#define es_am_packet                        ESI_AM(ESI_AM_packet)
#define es_am_enoent                        ESI_AM(ESI_AM_enoent)
#define es_am_eacces                        ESI_AM(ESI_AM_eacces)
#define es_am_eexist                        ESI_AM(ESI_AM_eexist)
#define es_am_econnrefused                  ESI_AM(ESI_AM_econnrefused)
#define es_am_econnreset                    ESI_AM(ESI_AM_econnreset)
#define es_am_etimedout                     ESI_AM(ESI_AM_etimedout)
#define es_am_eaddrinuse                    ESI_AM(ESI_AM_eaddrinuse)
#define es_am_eaddrnotavail                 ESI_AM(ESI_AM_eaddrnotavail)
#define es_am_ehostunreach                  ESI_AM(ESI_AM_ehostunreach)
#define es_am_enetunreach                   ESI_AM(ESI_AM_enetunreach)
#define es_am_epipe                         ESI_AM(ESI_AM_epipe)
#define es_am_einval                        ESI_AM(ESI_AM_einval)
#define es_am_emfile                        ESI_AM(ESI_AM_emfile)
#define es_am_enfile                        ESI_AM(ESI_AM_enfile)
#define es_am_enomem                        ESI_AM(ESI_AM_enomem)
#define es_am_enospc                        ESI_AM(ESI_AM_enospc)
#define es_am_enotconn                      ESI_AM(ESI_AM_enotconn)
#define es_am_eintr                         ESI_AM(ESI_AM_eintr)
#define es_am_eagain                        ESI_AM(ESI_AM_eagain)
#define es_am_eisdir                        ESI_AM(ESI_AM_eisdir)
#define es_am_enotdir                       ESI_AM(ESI_AM_enotdir)
#define es_am_eperm                         ESI_AM(ESI_AM_eperm)
#define es_am_eio                           ESI_AM(ESI_AM_eio)
#define es_am_protocol                      ESI_AM(ESI_AM_protocol)
#define es_am_stale_state                   ESI_AM(ESI_AM_stale_state)
#define es_am_peer_gone                     ESI_AM(ESI_AM_peer_gone)
#define es_am_deadlock                      ESI_AM(ESI_AM_deadlock)
#define es_am_branch                        ESI_AM(ESI_AM_branch)
#define es_am_alt_changed                   ESI_AM(ESI_AM_alt_changed)
#define es_am_wrong_type                    ESI_AM(ESI_AM_wrong_type)
#define es_am_rex                           ESI_AM(ESI_AM_rex)
#define es_am_net_kernel                    ESI_AM(ESI_AM_net_kernel)
#define es_am_pg                            ESI_AM(ESI_AM_pg)
#define es_am_is_auth                       ESI_AM(ESI_AM_is_auth)
#define es_am_yes                           ESI_AM(ESI_AM_yes)
#define es_am_no                            ESI_AM(ESI_AM_no)
#define es_am_features                      ESI_AM(ESI_AM_features)
#define es_am_erlang                        ESI_AM(ESI_AM_erlang)
#define es_am_badrpc                        ESI_AM(ESI_AM_badrpc)
#define es_am_spawn_request                 ESI_AM(ESI_AM_spawn_request)
#define es_am_spawn_reply                   ESI_AM(ESI_AM_spawn_reply)
#define es_am_spawn_init                    ESI_AM(ESI_AM_spawn_init)
#define es_am_alive                         ESI_AM(ESI_AM_alive)
#define es_am_not_alive                     ESI_AM(ESI_AM_not_alive)
#define es_am_hidden                        ESI_AM(ESI_AM_hidden)
#define es_am_visible                       ESI_AM(ESI_AM_visible)
#define es_am_user                          ESI_AM(ESI_AM_user)
#define es_am_io_request                    ESI_AM(ESI_AM_io_request)
#define es_am_io_reply                      ESI_AM(ESI_AM_io_reply)
#define es_am_put_chars                     ESI_AM(ESI_AM_put_chars)
#define es_am_get_line                      ESI_AM(ESI_AM_get_line)
#define es_am_unicode                       ESI_AM(ESI_AM_unicode)
#define es_am_latin1                        ESI_AM(ESI_AM_latin1)
#define es_am_timer                         ESI_AM(ESI_AM_timer)
#define es_am_tick                          ESI_AM(ESI_AM_tick)
#define es_am_tock                          ESI_AM(ESI_AM_tock)
#define es_am_upgrade                       ESI_AM(ESI_AM_upgrade)
#define es_am_downgrade                     ESI_AM(ESI_AM_downgrade)
#define es_am_version                       ESI_AM(ESI_AM_version)
#define es_am_versions                      ESI_AM(ESI_AM_versions)
#define es_am_module                        ESI_AM(ESI_AM_module)
#define es_am_function                      ESI_AM(ESI_AM_function)
#define es_am_arity                         ESI_AM(ESI_AM_arity)
#define es_am_file                          ESI_AM(ESI_AM_file)
#define es_am_reason                        ESI_AM(ESI_AM_reason)
#define es_am_mfa                           ESI_AM(ESI_AM_mfa)
#define es_am_pid                           ESI_AM(ESI_AM_pid)
#define es_am_reference                     ESI_AM(ESI_AM_reference)
#define es_am_fun                           ESI_AM(ESI_AM_fun)
#define es_am_tuple                         ESI_AM(ESI_AM_tuple)
#define es_am_map                           ESI_AM(ESI_AM_map)
#define es_am_atom                          ESI_AM(ESI_AM_atom)
#define es_am_integer                       ESI_AM(ESI_AM_integer)
#define es_am_float                         ESI_AM(ESI_AM_float)
#define es_am_number                        ESI_AM(ESI_AM_number)
#define es_am_bitstring                     ESI_AM(ESI_AM_bitstring)
#define es_am_nil                           ESI_AM(ESI_AM_nil)
#define es_am_any                           ESI_AM(ESI_AM_any)
#define es_am_none                          ESI_AM(ESI_AM_none)
#define es_am_all                           ESI_AM(ESI_AM_all)
#define es_am_self                          ESI_AM(ESI_AM_self)
#define es_am_parent                        ESI_AM(ESI_AM_parent)
#define es_am_label                         ESI_AM(ESI_AM_label)
#define es_am_limit                         ESI_AM(ESI_AM_limit)
#define es_am_drop_newest                   ESI_AM(ESI_AM_drop_newest)
#define es_am_drop_oldest                   ESI_AM(ESI_AM_drop_oldest)
#define es_am_kill_receiver                 ESI_AM(ESI_AM_kill_receiver)
#define es_am_queue                         ESI_AM(ESI_AM_queue)
#define es_am_queue_full                    ESI_AM(ESI_AM_queue_full)
#define es_am_badcookie                     ESI_AM(ESI_AM_badcookie)
#define es_am_not_allowed                   ESI_AM(ESI_AM_not_allowed)
#define es_am_duplicate                     ESI_AM(ESI_AM_duplicate)
#define es_am_uniform                       ESI_AM(ESI_AM_uniform)
#define es_am_application                   ESI_AM(ESI_AM_application)
#define es_am_applications                  ESI_AM(ESI_AM_applications)
#define es_am_loaded                        ESI_AM(ESI_AM_loaded)
#define es_am_unloaded                      ESI_AM(ESI_AM_unloaded)
#define es_am_started                       ESI_AM(ESI_AM_started)
#define es_am_stopped                       ESI_AM(ESI_AM_stopped)
#define es_am_starting                      ESI_AM(ESI_AM_starting)
#define es_am_stopping                      ESI_AM(ESI_AM_stopping)
#define es_am_depth                         ESI_AM(ESI_AM_depth)
#define es_am_text                          ESI_AM(ESI_AM_text)
#define es_am_length                        ESI_AM(ESI_AM_length)
#define es_am_size                          ESI_AM(ESI_AM_size)
#define es_am_bytes                         ESI_AM(ESI_AM_bytes)
#define es_am_key                           ESI_AM(ESI_AM_key)
#define es_am_value                         ESI_AM(ESI_AM_value)
#define es_am_keys                          ESI_AM(ESI_AM_keys)
#define es_am_values                        ESI_AM(ESI_AM_values)
#define es_am_id                            ESI_AM(ESI_AM_id)
#define es_am_type                          ESI_AM(ESI_AM_type)
#define es_am_class                         ESI_AM(ESI_AM_class)
#define es_am_stacktrace                    ESI_AM(ESI_AM_stacktrace)
#define es_am_throw                         ESI_AM(ESI_AM_throw)
#define es_am_purge                         ESI_AM(ESI_AM_purge)
#define es_am_soft_purge                    ESI_AM(ESI_AM_soft_purge)
#define es_am_soft                          ESI_AM(ESI_AM_soft)
#define es_am_hard                          ESI_AM(ESI_AM_hard)
#define es_am_code                          ESI_AM(ESI_AM_code)
#define es_am_load                          ESI_AM(ESI_AM_load)
#define es_am_unload                        ESI_AM(ESI_AM_unload)
#define es_am_old                           ESI_AM(ESI_AM_old)
#define es_am_new                           ESI_AM(ESI_AM_new)
#define es_am_current                       ESI_AM(ESI_AM_current)
#define es_am_rollback                      ESI_AM(ESI_AM_rollback)
#define es_am_isolated                      ESI_AM(ESI_AM_isolated)
#define es_am_lost                          ESI_AM(ESI_AM_lost)
#define es_am_gone                          ESI_AM(ESI_AM_gone)
#define es_am_busy                          ESI_AM(ESI_AM_busy)
#define es_am_idle                          ESI_AM(ESI_AM_idle)
#define es_am_empty                         ESI_AM(ESI_AM_empty)
#define es_am_full                          ESI_AM(ESI_AM_full)
#define es_am_first                         ESI_AM(ESI_AM_first)
#define es_am_last                          ESI_AM(ESI_AM_last)
#define es_am_left                          ESI_AM(ESI_AM_left)
#define es_am_right                         ESI_AM(ESI_AM_right)
#define es_am_up                            ESI_AM(ESI_AM_up)
#define es_am_down                          ESI_AM(ESI_AM_down)
#define es_am_add                           ESI_AM(ESI_AM_add)
#define es_am_remove                        ESI_AM(ESI_AM_remove)
#define es_am_update                        ESI_AM(ESI_AM_update)
#define es_am_insert                        ESI_AM(ESI_AM_insert)
#define es_am_delete                        ESI_AM(ESI_AM_delete)
#define es_am_lookup                        ESI_AM(ESI_AM_lookup)
#define es_am_set                           ESI_AM(ESI_AM_set)
#define es_am_put                           ESI_AM(ESI_AM_put)
#define es_am_create                        ESI_AM(ESI_AM_create)
#define es_am_destroy                       ESI_AM(ESI_AM_destroy)
#define es_am_open_port                     ESI_AM(ESI_AM_open_port)
#define es_am_port_closed                   ESI_AM(ESI_AM_port_closed)
#define es_am_port_command                  ESI_AM(ESI_AM_port_command)
#define es_am_badsig                        ESI_AM(ESI_AM_badsig)
#define es_am_driver                        ESI_AM(ESI_AM_driver)
#define es_am_subscribe                     ESI_AM(ESI_AM_subscribe)
#define es_am_unsubscribe                   ESI_AM(ESI_AM_unsubscribe)
#define es_am_notify                        ESI_AM(ESI_AM_notify)
#define es_am_publish                       ESI_AM(ESI_AM_publish)
#define es_am_join                          ESI_AM(ESI_AM_join)
#define es_am_leave                         ESI_AM(ESI_AM_leave)
#define es_am_members                       ESI_AM(ESI_AM_members)
#define es_am_groups                        ESI_AM(ESI_AM_groups)
#define es_am_scope                         ESI_AM(ESI_AM_scope)
#define es_am_request                       ESI_AM(ESI_AM_request)
#define es_am_response                      ESI_AM(ESI_AM_response)
#define es_am_result                        ESI_AM(ESI_AM_result)
#define es_am_answer                        ESI_AM(ESI_AM_answer)
#define es_am_question                      ESI_AM(ESI_AM_question)
#define es_am_cancel                        ESI_AM(ESI_AM_cancel)
#define es_am_cancelled                     ESI_AM(ESI_AM_cancelled)
#define es_am_canceled                      ESI_AM(ESI_AM_canceled)
#define es_am_done                          ESI_AM(ESI_AM_done)
#define es_am_failed                        ESI_AM(ESI_AM_failed)
#define es_am_failure                       ESI_AM(ESI_AM_failure)
#define es_am_success                       ESI_AM(ESI_AM_success)
#define es_am_retry                         ESI_AM(ESI_AM_retry)
#define es_am_abandoned                     ESI_AM(ESI_AM_abandoned)
#define es_am_alarm                         ESI_AM(ESI_AM_alarm)
#define es_am_warning                       ESI_AM(ESI_AM_warning)
#define es_am_notice                        ESI_AM(ESI_AM_notice)
#define es_am_critical                      ESI_AM(ESI_AM_critical)
#define es_am_emergency                     ESI_AM(ESI_AM_emergency)
#define es_am_progress                      ESI_AM(ESI_AM_progress)
#define es_am_report                        ESI_AM(ESI_AM_report)
#define es_am_crash                         ESI_AM(ESI_AM_crash)
#define es_am_crash_report                  ESI_AM(ESI_AM_crash_report)
#define es_am_error_report                  ESI_AM(ESI_AM_error_report)
#define es_am_supervisor_report             ESI_AM(ESI_AM_supervisor_report)
#define es_am_child_terminated              ESI_AM(ESI_AM_child_terminated)
#define es_am_start_error                   ESI_AM(ESI_AM_start_error)
#define es_am_shutdown_error                ESI_AM(ESI_AM_shutdown_error)
#define es_am_reached_max_restart_intensity ESI_AM(ESI_AM_reached_max_restart_intensity)
#define es_am_connection_closed             ESI_AM(ESI_AM_connection_closed)
#define es_am_nxdomain                      ESI_AM(ESI_AM_nxdomain)
#define es_am_nodistribution                ESI_AM(ESI_AM_nodistribution)
#define es_am_net_tick_timeout              ESI_AM(ESI_AM_net_tick_timeout)
#define es_am_disconnect                    ESI_AM(ESI_AM_disconnect)
#define es_am_connection_setup_failed       ESI_AM(ESI_AM_connection_setup_failed)
#define es_am_get_status_failed             ESI_AM(ESI_AM_get_status_failed)
#define es_am_send_net_tick_failed          ESI_AM(ESI_AM_send_net_tick_failed)
#define es_am_child_exit                    ESI_AM(ESI_AM_child_exit)

#endif

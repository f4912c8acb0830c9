/*
 * base/log.h
 *	  One line for an event, on standard error: "2026-11-20T12:00:00.000Z LEVEL message".
 *
 * No secret, token or file content is ever passed to it.
 */
#ifndef PD_BASE_LOG_H
#define PD_BASE_LOG_H

enum pd_log_level
{
	PD_LOG_DEBUG,
	PD_LOG_INFO,
	PD_LOG_WARNING,
	PD_LOG_ERROR
};

extern void pd_log_set_level(enum pd_log_level level); /* default PD_LOG_INFO */
extern void pd_log(enum pd_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

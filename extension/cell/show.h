/*
 * show.h
 *	  A query's rows as the result of a set-returning function.
 */
#ifndef POCKET_SHOW_H
#define POCKET_SHOW_H

#include "base/spi.h"

/* In a session of its own; the query's columns must be those that the function is declared with. */
extern void pocket_show(FunctionCallInfo fcinfo, PocketPlan *query, const Datum *values);

/* The same behind what was shown already. */
extern void pocket_show_more(FunctionCallInfo fcinfo, PocketPlan *query, const Datum *values);

/* Facts of placement, behind those of health. */
extern void pocket_show_placement(FunctionCallInfo fcinfo);

#endif

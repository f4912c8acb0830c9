/*
 * cli/import.h
 *	  pocket import DIR PATH
 */
#ifndef PD_CLI_IMPORT_H
#define PD_CLI_IMPORT_H

#include "cli/options.h"

extern enum pd_exit pd_import(const struct pd_options *options);

#endif

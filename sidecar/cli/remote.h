/*
 * cli/remote.h
 *	  A folder of Pocket, and all that is below it.
 */
#ifndef PD_CLI_REMOTE_H
#define PD_CLI_REMOTE_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/items.h"
#include "cli/session.h"

enum pd_remote_state
{
	PD_REMOTE_ERROR, /* the session's error says why */
	PD_REMOTE_MISSING,
	PD_REMOTE_FOLDER,
	PD_REMOTE_FILE /* or a link */
};

struct pd_remote
{
	char *base; /* owned; without a slash at its end, so that base "/" path is the whole path */
};

/* Looks path up. base is as the server writes it, or as given when it is missing. */
extern enum pd_remote_state pd_remote_open(struct pd_remote *remote, struct pd_session *session, const char *path);
extern void pd_remote_close(struct pd_remote *remote);

/* Makes the namespace of base if base has one. False with the session's error. */
extern bool pd_remote_create_namespace(const struct pd_remote *remote, struct pd_session *session);

/* Whether the namespace tells upper from lower case; true also when the server does not say. */
extern bool pd_remote_case_sensitive(const struct pd_remote *remote, struct pd_session *session);

/* Narrows to the file's folder; the one item is the file. */
extern bool pd_remote_single(struct pd_remote *remote, struct pd_session *session, struct pd_items *items);

/* Appends all below base, page by page. False with the session's error (also when *stop). */
extern bool pd_remote_list(const struct pd_remote *remote, struct pd_session *session, struct pd_items *items,
						   bool (*stop)(void));

/* base "/" path; false when it does not fit. */
extern bool pd_remote_path(const struct pd_remote *remote, char *out, size_t size, const char *path);

#endif

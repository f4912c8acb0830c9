/*
 * count.c
 *	  Holders and mount points of a namespace, counted again.
 *
 * A journal of up to WHOLE_MAX rows is counted whole.  Of a longer one a stretch of
 * SAMPLE rows is looked at, another one each time: each of its blocks must be held.
 * Each question is one statement, so that it sees one state of the namespace.
 */
#include "cell/count.h"

#include "common/pg_prng.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "cell/finding.h"

#define VERIFIER "index"
#define SWEEP_DAYS 7
#define AGAIN_S 3600 /* with a finding */
#define WHOLE_MAX 100000
#define SAMPLE 20000
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

typedef struct Namespace
{
	int64 ns_id;
	char *name;
	int64 jid;
} Namespace;

/* A question answers with one row and a text, null when all is well. */
typedef char *(*Question)(const Namespace *ns);

static char *
ask(PocketPlan *plan, int64 ns_id, int64 from)
{
	Datum values[2] = {Int64GetDatum(ns_id), Int64GetDatum(from)};
	char *problem = NULL;

	if (pocket_write(plan, values, NULL) > 0 && !pocket_is_null(0, 1))
		problem = pocket_column_text(0, 1);
	pocket_free_rows();
	return problem;
}

static char *
ask_holders(const Namespace *ns)
{
	static PocketPlan whole = {
		"WITH counted AS (SELECT b.hash, pg_catalog.count(*) AS files FROM (SELECT j.blocks,"
		" pg_catalog.lag(j.blocks) OVER (PARTITION BY j.file_id ORDER BY j.jid) AS before"
		" FROM pocket_data.journal j WHERE j.ns_id = $1) x,"
		" pocket.blocks(pocket.missing(x.blocks, coalesce(x.before, '{}'::pocket.blocklist))) b GROUP BY b.hash)"
		" SELECT pg_catalog.format('%s blocks are not held as often as the journal has them; the first, %s: %s instead "
		"of "
		"%s', pg_catalog.count(*), (pg_catalog.array_agg(y.hash::text ORDER BY y.hash USING OPERATOR(pocket.<)))[1],"
		" (pg_catalog.array_agg(y.held ORDER BY y.hash USING OPERATOR(pocket.<)))[1],"
		" (pg_catalog.array_agg(y.files ORDER BY y.hash USING OPERATOR(pocket.<)))[1]) FROM ("
		"SELECT coalesce(c.hash, h.hash) AS hash, coalesce(c.files, 0) AS files, coalesce(h.files, 0) AS held"
		" FROM counted c FULL JOIN (SELECT * FROM pocket_data.holder WHERE ns_id = $1) h"
		" ON h.hash OPERATOR(pocket.=) c.hash WHERE c.files IS DISTINCT FROM h.files"
		" AND coalesce(c.files, 0) <> coalesce(h.files, 0)) y HAVING pg_catalog.count(*) > 0",
		"int8 int8", NULL, NULL};
	static PocketPlan some = {
		"SELECT pg_catalog.format('%s blocks of the journal are not held; the first: %s', pg_catalog.count(*),"
		" (pg_catalog.array_agg(y.hash::text ORDER BY y.hash USING OPERATOR(pocket.<)))[1]) FROM (SELECT DISTINCT "
		"b.hash"
		" FROM (SELECT j.blocks FROM pocket_data.journal j WHERE j.ns_id = $1 AND j.jid >= $2 ORDER BY j.jid"
		" LIMIT " LITERAL(SAMPLE) ") x, pocket.blocks(x.blocks) b WHERE NOT EXISTS (SELECT FROM pocket_data.holder h"
								  " WHERE h.ns_id = $1 AND h.hash OPERATOR(pocket.=) b.hash AND h.files > 0)) y HAVING "
								  "pg_catalog.count(*) > 0",
		"int8 int8", NULL, NULL};

	if (ns->jid <= WHOLE_MAX)
		return ask(&whole, ns->ns_id, 0);
	return ask(&some, ns->ns_id, (int64) (pg_prng_double(&pg_global_prng_state) * (double) ns->jid));
}

static char *
ask_blocks(const Namespace *ns)
{
	static PocketPlan lost = {
		"SELECT pg_catalog.format('%s blocks that it holds have no row in the index; the first: %s',"
		" pg_catalog.count(*), (pg_catalog.array_agg(y.hash::text))[1]) FROM (SELECT h.hash FROM (SELECT x.hash"
		" FROM pocket_data.holder x WHERE x.ns_id = $1 AND x.files > 0 AND ($2 <= " LITERAL(
			WHOLE_MAX) " OR pg_catalog.random() < " LITERAL(SAMPLE) ".0 / $2)) h WHERE NOT EXISTS (SELECT FROM "
																	"pocket_data.block k"
																	" WHERE k.hash OPERATOR(pocket.=) h.hash)) y "
																	"HAVING pg_catalog.count(*) > 0",
		"int8 int8", NULL, NULL};

	return ask(&lost, ns->ns_id, ns->jid);
}

static char *
ask_mounts(const Namespace *ns)
{
	static PocketPlan differ = {
		"SELECT pg_catalog.format('%s mount points are counted, and there are %s', n.mounts, m.there)"
		" FROM pocket_data.namespace n CROSS JOIN LATERAL (SELECT pg_catalog.count(*) AS there"
		" FROM pocket_data.entry e WHERE e.ns_id = n.ns_id AND e.kind = 'mount') m"
		" WHERE n.ns_id = $1 AND $2 = $2 AND n.mounts <> m.there",
		"int8 int8", NULL, NULL};

	return ask(&differ, ns->ns_id, 0);
}

static void
count(const Namespace *ns)
{
	static const Question questions[] = {ask_holders, ask_blocks, ask_mounts};
	static PocketPlan book = {"INSERT INTO pocket_data.counted (ns_id, at) VALUES ($1, pg_catalog.clock_timestamp())"
							  " ON CONFLICT (ns_id) DO UPDATE SET at = excluded.at",
							  "int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(ns->ns_id)};
	PocketFinding finding = {.verifier = VERIFIER, .object = psprintf("namespace %s", ns->name)};

	pocket_finding_doubt(VERIFIER, finding.object);
	for (Size i = 0; i < lengthof(questions); i++)
	{
		char *problem = questions[i](ns);

		CHECK_FOR_INTERRUPTS();
		if (problem == NULL)
			continue;
		finding.problem = finding.problem == NULL ? problem : psprintf("%s; %s", finding.problem, problem);
	}
	if (finding.problem != NULL)
		(void) pocket_finding_note(&finding);
	else
		pocket_finding_clear(VERIFIER, finding.object);
	(void) pocket_write(&book, values, NULL);
}

/* What is said of a namespace goes with it. */
static void
forget_dropped(void)
{
	static PocketPlan findings = {
		"DELETE FROM pocket_data.finding f WHERE f.verifier = '" VERIFIER "' AND f.object LIKE 'namespace %'"
		" AND NOT EXISTS (SELECT FROM pocket_data.namespace n WHERE 'namespace ' || n.name = f.object)",
		"", NULL, NULL};
	static PocketPlan counted = {"DELETE FROM pocket_data.counted c WHERE NOT EXISTS"
								 " (SELECT FROM pocket_data.namespace n WHERE n.ns_id = c.ns_id)",
								 "", NULL, NULL};

	(void) pocket_write(&findings, NULL, NULL);
	(void) pocket_write(&counted, NULL, NULL);
}

void
pocket_count_namespaces(PocketPass *pass)
{
	static PocketPlan find = {
		"SELECT n.ns_id, n.name, h.jid, pg_catalog.count(*) OVER () FROM pocket_data.namespace n"
		" JOIN pocket_data.namespace_head h ON h.ns_id = n.ns_id"
		" LEFT JOIN pocket_data.counted c ON c.ns_id = n.ns_id WHERE $1 OR c.at IS NULL"
		" OR c.at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(days => " LITERAL(
			SWEEP_DAYS) ")"
						" OR (c.at < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => " LITERAL(
							AGAIN_S) ")"
									 " AND EXISTS (SELECT FROM pocket_data.finding f WHERE f.verifier = '" VERIFIER "'"
									 " AND f.object = 'namespace ' || n.name)) ORDER BY c.at NULLS FIRST, n.ns_id"
									 " LIMIT CASE WHEN $1 THEN NULL ELSE 1 END",
		"bool", NULL, NULL};
	Datum values[1] = {BoolGetDatum(pass->by_hand)};
	int found;
	Namespace *namespaces;

	forget_dropped();
	found = (int) pocket_write(&find, values, NULL);
	namespaces = palloc(sizeof(Namespace) * Max(found, 1));
	if (found > 0 && !pass->by_hand)
		pass->remaining += pocket_column_int64(0, 4) - found;
	for (int i = 0; i < found; i++)
	{
		namespaces[i].ns_id = pocket_column_int64(i, 1);
		namespaces[i].name = pocket_column_text(i, 2);
		namespaces[i].jid = pocket_column_int64(i, 3);
	}
	pocket_free_rows();
	for (int i = 0; i < found; i++)
		count(&namespaces[i]);
	pass->done += found;
}

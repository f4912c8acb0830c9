/*
 * durability.c
 *	  pocket.durability: what the codes in use promise, and upon which assumptions.
 *
 * The chain has a state for each number of members that are away; with i away the
 * next one goes at the rate (n - i) / MTTF, and one comes back at i / MTTR.  See
 * Greenan, Plank and Wylie, "Mean time to meaningless" (HotStorage 2010), for what
 * such a chain does not know: it is printed with the figures.
 */
#include "cell/durability.h"

#include "cell/cell.h"

#include <math.h>

#include "fmgr.h"
#include "funcapi.h"
#include "port/pg_bitutils.h"
#include "utils/builtins.h"

#include "base/error.h"
#include "base/guc.h"
#include "base/spi.h"

#define HOURS_A_YEAR 8766.0
#define REPAIR_HOURS_ASSUMED 48.0
#define FAILURE_RATE_MAX 100
#define REPAIR_HOURS_MAX 1000000
#define UNREADABLE_MAX 0.5
#define LITERAL_(n) #n
#define LITERAL(n) LITERAL_(n)

PG_FUNCTION_INFO_V1(pocket_durability);
PG_FUNCTION_INFO_V1(pocket_durability_of);

/* --- arithmetic --- */

/* The share of all patterns of `lost` members that can be decoded. */
static double
decodable(const pk_code *code, int members, int lost)
{
	int64 all = 0;
	int64 good = 0;

	if (lost == 0)
		return 1;
	if (code->kind == PK_CODE_REPLICATED)
		return lost < members ? 1 : 0;
	if (code->kind == PK_CODE_RS)
		return lost <= code->m ? 1 : 0;
	if (lost > code->m)
		return 0;
	for (uint32 missing = 0; missing < UINT32_C(1) << members; missing++)
	{
		if (pg_popcount32(missing) != lost)
			continue;
		all++;
		good += pk_code_lost(code, members, missing) == 0 ? 1 : 0;
	}
	return (double) good / (double) all;
}

int
pocket_volume_tolerates(const pk_code *code, int members)
{
	return pk_code_left(code, members, 0);
}

double
pocket_annual_loss(const PocketDurability *volume)
{
	int n = volume->members;
	double share[PK_MEMBERS_MAX + 2]; /* decodable */
	double ahead[PK_MEMBERS_MAX + 1]; /* of state i: years until it is left for i + 1 or for good ... */
	double on[PK_MEMBERS_MAX + 1];	  /* ... and the chance that this is i + 1 */
	double stuck = 0;				  /* 1 - on[i - 1], which would be lost among digits */
	double repair = HOURS_A_YEAR / volume->repair_hours;
	double years = 0;

	for (int i = 0; i <= n + 1; i++)
		share[i] = i > n ? 0 : decodable(&volume->code, n, i);
	for (int i = 0; i <= n && share[i] > 0; i++)
	{
		double fails = (n - i) * volume->failure_rate;
		double back = i * repair;
		double survives = share[i + 1] / share[i];

		/* of those left then, one may be unreadable, and that be one too many */
		if (survives > 0)
			survives *= pow(1 - volume->unreadable * (1 - share[i + 2] / share[i + 1]), n - i - 1);
		ahead[i] = (1 + (i > 0 ? back * ahead[i - 1] : 0)) / (fails + back * stuck);
		on[i] = fails * survives / (fails + back * stuck);
		stuck = (fails * (1 - survives) + back * stuck) / (fails + back * stuck);
		if (survives == 0)
		{
			years = ahead[i];
			while (--i >= 0)
				years = ahead[i] + on[i] * years;
			break;
		}
	}
	return -expm1(-1 / years);
}

/* --- SQL --- */

typedef struct InUse
{
	char *code;
	int members;
	int64 volumes;
} InUse;

/* What the assumptions are made of. */
typedef struct Facts
{
	int64 repairs;
	double repair_hours; /* the mean, or what is assumed */
	int64 drives;
	int64 nodes;
	char *scrubbed; /* "the oldest scrub ..." */
} Facts;

static void
put_row(FunctionCallInfo fcinfo, const InUse *use, const Facts *facts)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	PocketDurability volume = {
		.members = use->members, .failure_rate = pocket_annual_failure_rate, .repair_hours = facts->repair_hours};
	Datum values[6] = {0};
	bool nulls[6] = {false, false, false, false, false, false};
	double loss;

	values[0] = CStringGetTextDatum(use->code);
	values[1] = Int64GetDatum(use->volumes);
	if (pk_code_parse(&volume.code, use->code) != PK_OK)
	{
		nulls[2] = nulls[3] = nulls[4] = true;
		values[5] = CStringGetTextDatum("this release does not know the code");
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		return;
	}
	loss = pocket_annual_loss(&volume);
	values[2] = Int32GetDatum(pocket_volume_tolerates(&volume.code, volume.members));
	values[3] = Float8GetDatum(loss);
	values[4] = Float8GetDatum(-log10(loss));
	values[5] = CStringGetTextDatum(psprintf(
		"for one volume: %d members on drives that fail alone and independently, %.2f %% of them a year "
		"(pocket.annual_failure_rate), each whole again %.3g hours later, side by side (%s); " INT64_FORMAT
		" drives of " INT64_FORMAT
		" nodes; %s, and damage that nobody has seen yet is not counted; nor are bugs, operators, "
		"and what takes many drives at once, which are what loses data in the field",
		volume.members, 100 * volume.failure_rate, facts->repair_hours,
		facts->repairs > 0
			? psprintf("measured: the mean of the last " INT64_FORMAT " members that were repaired", facts->repairs)
			: "assumed: no failed drive has been repaired yet",
		facts->drives, facts->nodes, facts->scrubbed));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
load_facts(Facts *facts)
{
	static PocketPlan load = {
		"SELECT r.repairs, r.hours, d.drives, d.nodes, CASE WHEN s.never > 0 THEN"
		" pg_catalog.format('%s extents have never been scrubbed', s.never) WHEN s.oldest IS NULL THEN"
		" 'there is nothing to scrub yet' ELSE pg_catalog.format('the oldest scrub is %s days old',"
		" pg_catalog.round((extract(epoch FROM pg_catalog.clock_timestamp() - s.oldest) / 86400)::numeric, 1)) END"
		" FROM (SELECT pg_catalog.count(*) AS repairs, pg_catalog.avg(x.hours) AS hours FROM pocket_data.repaired x) r,"
		" (SELECT pg_catalog.count(*) AS drives, pg_catalog.count(DISTINCT x.node_id) AS nodes"
		" FROM pocket_data.drive x WHERE x.state <> 'failed') d,"
		" (SELECT pg_catalog.count(*) FILTER (WHERE e.scrubbed_at IS NULL) AS never, pg_catalog.min(e.scrubbed_at) AS "
		"oldest"
		" FROM pocket_data.extent e JOIN pocket_data.volume v ON v.volume_id = e.volume_id"
		" WHERE v.state <> 'open' AND e.drive_id IS NOT NULL) s",
		"", NULL, NULL};
	bool is_null;

	(void) pocket_read(&load, NULL, NULL);
	facts->repairs = pocket_column_int64(0, 1);
	facts->repair_hours = facts->repairs > 0 ? DatumGetFloat8(pocket_column(0, 2, &is_null)) : REPAIR_HOURS_ASSUMED;
	facts->drives = pocket_column_int64(0, 3);
	facts->nodes = pocket_column_int64(0, 4);
	facts->scrubbed = pocket_column_text(0, 5);
	pocket_free_rows();
}

/* Codes of volumes, and the one that others will have. */
static InUse *
load_codes(int *count)
{
	static PocketPlan load = {
		"SELECT x.code, x.members::int4, pg_catalog.count(*) FILTER (WHERE x.there) FROM (SELECT v.code,"
		" pg_catalog.count(*) AS members, true AS there FROM pocket_data.volume v"
		" JOIN pocket_data.extent e ON e.volume_id = v.volume_id WHERE v.state <> 'retired' GROUP BY v.volume_id"
		" UNION ALL SELECT $1, $2, false WHERE NOT EXISTS (SELECT FROM pocket_data.volume v WHERE v.code = $1 AND "
		"v.state <> 'retired')) x"
		" GROUP BY x.code, x.members ORDER BY x.code, x.members",
		"text int8", NULL, NULL};
	pk_code code;
	Datum values[2];
	InUse *uses;

	pocket_cell_code(&code);
	values[0] = CStringGetTextDatum(pocket_code);
	values[1] = Int64GetDatum(code.kind == PK_CODE_REPLICATED ? pocket_cell_replicas(&code) : code.k + code.m);
	*count = (int) pocket_read(&load, values, NULL);
	uses = palloc(sizeof(InUse) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		uses[i].code = pocket_column_text(i, 1);
		uses[i].members = pocket_column_int32(i, 2);
		uses[i].volumes = pocket_column_int64(i, 3);
	}
	pocket_free_rows();
	return uses;
}

Datum
pocket_durability(PG_FUNCTION_ARGS)
{
	PocketSession session;
	Facts facts;
	InUse *uses;
	int count;

	InitMaterializedSRF(fcinfo, 0);
	pocket_enter(&session);
	load_facts(&facts);
	uses = load_codes(&count);
	for (int i = 0; i < count; i++)
		put_row(fcinfo, &uses[i], &facts);
	pocket_leave(&session);
	return (Datum) 0;
}

/* valid is false of what is not a number, too. */
static void
check_range(const char *what, bool valid, const char *range)
{
	if (!valid)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s is out of range", what),
						errdetail("It must be %s.", range)));
}

/* (code, failure rate, repair hours, replicas, unreadable) */
Datum
pocket_durability_of(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	PocketDurability volume = {.failure_rate = PG_GETARG_FLOAT8(1),
							   .repair_hours = PG_GETARG_FLOAT8(2),
							   .members = PG_GETARG_INT32(3),
							   .unreadable = PG_GETARG_FLOAT8(4)};
	TupleDesc columns;
	Datum values[3];
	bool nulls[3] = {false, false, false};
	double loss;

	if (get_call_result_type(fcinfo, NULL, &columns) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "durability_of is declared without a row");
	if (pk_code_parse(&volume.code, name) != PK_OK)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"%s\" is not a code", name)));
	check_range("the failure rate", volume.failure_rate > 0 && volume.failure_rate <= FAILURE_RATE_MAX,
				"more than 0, and at most " LITERAL(FAILURE_RATE_MAX));
	check_range("the time of repair", volume.repair_hours > 0 && volume.repair_hours <= REPAIR_HOURS_MAX,
				"more than 0, and at most " LITERAL(REPAIR_HOURS_MAX) " hours");
	check_range("the chance to be unreadable", volume.unreadable >= 0 && volume.unreadable <= UNREADABLE_MAX,
				"from 0 to " LITERAL(UNREADABLE_MAX));
	if (volume.code.kind != PK_CODE_REPLICATED)
		volume.members = volume.code.k + volume.code.m;
	else if (volume.members < 1 || volume.members > PK_MEMBERS_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a volume has 1 to %d replicas, not %d", PK_MEMBERS_MAX, volume.members)));
	loss = pocket_annual_loss(&volume);
	values[0] = Int32GetDatum(pocket_volume_tolerates(&volume.code, volume.members));
	values[1] = Float8GetDatum(loss);
	values[2] = Float8GetDatum(-log10(loss));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(columns), values, nulls)));
}

/*
 * finding.c
 *	  The rows of what verifiers found.
 */
#include "cell/finding.h"

#include "utils/builtins.h"

#include "base/spi.h"
#include "cell/cell.h"

bool
pocket_finding_note(const PocketFinding *finding)
{
	static PocketPlan again = {"UPDATE pocket_data.finding SET problem = $3, detail = $4::jsonb, fresh = true"
							   " WHERE verifier = $1 AND object = $2",
							   "text text text text", NULL, NULL};
	static PocketPlan add = {
		"INSERT INTO pocket_data.finding (verifier, object, problem, detail, drive_id, file, fresh, found_at, "
		"told_from)"
		" SELECT $1, $2, $3, $4::jsonb, NULLIF($5, 0), $6, true, t.now,"
		" t.now + pg_catalog.make_interval(secs => $7) FROM pg_catalog.clock_timestamp() AS t (now)",
		"text text text text int8 text int4", NULL, NULL};
	Datum values[7] = {CStringGetTextDatum(finding->verifier),
					   CStringGetTextDatum(finding->object),
					   CStringGetTextDatum(finding->problem),
					   finding->detail == NULL ? (Datum) 0 : CStringGetTextDatum(finding->detail),
					   Int64GetDatum(finding->drive_id),
					   finding->file == NULL ? (Datum) 0 : CStringGetTextDatum(finding->file),
					   Int32GetDatum(finding->grace_s)};
	char nulls[8] = "       ";

	nulls[3] = finding->detail == NULL ? 'n' : ' ';
	nulls[5] = finding->file == NULL ? 'n' : ' ';
	if (pocket_write(&again, values, nulls) > 0)
		return false;
	(void) pocket_write(&add, values, nulls);
	return true;
}

void
pocket_finding_doubt(const char *verifier, const char *object)
{
	static PocketPlan doubt = {"UPDATE pocket_data.finding SET fresh = false WHERE verifier = $1 AND object = $2",
							   "text text", NULL, NULL};
	Datum values[2] = {CStringGetTextDatum(verifier), CStringGetTextDatum(object)};

	(void) pocket_write(&doubt, values, NULL);
}

void
pocket_finding_clear(const char *verifier, const char *object)
{
	static PocketPlan clear = {"DELETE FROM pocket_data.finding WHERE verifier = $1 AND object = $2 AND NOT fresh",
							   "text text", NULL, NULL};
	Datum values[2] = {CStringGetTextDatum(verifier), CStringGetTextDatum(object)};

	(void) pocket_write(&clear, values, NULL);
}

void
pocket_findings_forget(const char *verifier)
{
	static PocketPlan forget = {
		"DELETE FROM pocket_data.finding f WHERE f.verifier = $1 AND f.drive_id IS NOT NULL AND NOT EXISTS"
		" (SELECT FROM pocket_data.extent e WHERE e.drive_id = f.drive_id AND pocket.extent_file(e.role,"
		" CASE e.role WHEN 'parity' THEN e.volume_id ELSE e.bucket_id END, e.position) = f.file)",
		"text", NULL, NULL};
	Datum values[1] = {CStringGetTextDatum(verifier)};

	(void) pocket_write(&forget, values, NULL);
}

char *
pocket_extent_name(const char *file, int64 drive_id)
{
	return psprintf("%s on drive " INT64_FORMAT, file, drive_id);
}

void
pocket_extent_suspect(int64 drive_id, int64 bucket_id)
{
	static PocketPlan suspect = {"UPDATE pocket_data.extent SET scrubbed_at = NULL"
								 " WHERE drive_id = $1 AND bucket_id = $2 AND role <> 'parity'",
								 "int8 int8", NULL, NULL};
	Datum values[2] = {Int64GetDatum(drive_id), Int64GetDatum(bucket_id)};

	(void) pocket_write(&suspect, values, NULL);
}

/*
 * survey.c
 *	  Reading the inventory of all drives; see survey.h.
 */
#include "cell/survey.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "base/spi.h"
#include "cell/inventory.h"

typedef struct SurveyDrive
{
	int64 drive_id;
	char *uuid;
	char *url;
	char *after;
} SurveyDrive;

void
pocket_survey_ended(void)
{
	static PocketPlan drives = {"DELETE FROM pocket_data.survey", "", NULL, NULL};
	static PocketPlan believed = {"DELETE FROM pocket_data.believed", "", NULL, NULL};

	(void) pocket_write(&drives, NULL, NULL);
	(void) pocket_write(&believed, NULL, NULL);
}

void
pocket_survey_restart(void)
{
	static PocketPlan found = {"DELETE FROM pocket_data.found", "", NULL, NULL};

	pocket_survey_ended();
	(void) pocket_write(&found, NULL, NULL);
}

/* A drive that failed since has nothing that anybody could read; one that came since is read too. */
static void
follow_drives(void)
{
	static PocketPlan gone = {"DELETE FROM pocket_data.survey s USING pocket_data.drive d WHERE d.drive_id = "
							  "s.drive_id AND d.state = 'failed'",
							  "", NULL, NULL};
	static PocketPlan come = {"INSERT INTO pocket_data.survey (drive_id, began_at, listed_to, listed)"
							  " SELECT drive_id, pg_catalog.clock_timestamp(), '', false FROM pocket_data.drive"
							  " WHERE state <> 'failed' ON CONFLICT DO NOTHING",
							  "", NULL, NULL};

	(void) pocket_write(&gone, NULL, NULL);
	(void) pocket_write(&come, NULL, NULL);
}

/* The next drive that can be read now and was not tried in this pass: those behind drive_id. */
static bool
next_drive(SurveyDrive *drive, int64 after)
{
	static PocketPlan find = {
		"SELECT s.drive_id, d.uuid::text, n.url, s.listed_to FROM pocket_data.survey s"
		" JOIN pocket_data.drive d ON d.drive_id = s.drive_id JOIN pocket_data.node n ON n.node_id = d.node_id"
		" WHERE NOT s.listed AND d.state <> 'silent' AND n.state = 'up' AND s.drive_id > $1"
		" ORDER BY s.drive_id LIMIT 1",
		"int8", NULL, NULL};
	Datum values[1] = {Int64GetDatum(after)};
	bool found = pocket_write(&find, values, NULL) > 0;

	if (found)
	{
		drive->drive_id = pocket_column_int64(0, 1);
		drive->uuid = pocket_column_text(0, 2);
		drive->url = pocket_column_text(0, 3);
		drive->after = pocket_column_text(0, 4);
	}
	pocket_free_rows();
	return found;
}

static void
keep_page(const SurveyDrive *drive, const PocketInventory *pages)
{
	static PocketPlan keep = {
		"INSERT INTO pocket_data.found (drive_id, file, kind, id, position, sealed, length, problem, volume_id,"
		" generation, code, members, trashed) SELECT $2, listed.file, listed.kind, listed.id, listed.\"position\", "
		"listed.sealed,"
		" listed.length, listed.problem, listed.volume, listed.generation, listed.code,"
		" coalesce(listed.members, '[]'), listed.file LIKE 'trash/%' FROM" POCKET_LISTED(
			"$1") " ON CONFLICT DO NOTHING",
		"text int8", NULL, NULL};
	static PocketPlan note = {"UPDATE pocket_data.survey SET listed_to = $2, listed = $3 WHERE drive_id = $1",
							  "int8 text bool", NULL, NULL};
	Datum values[3] = {CStringGetTextDatum(pages->answer), Int64GetDatum(drive->drive_id)};

	(void) pocket_write(&keep, values, NULL);
	values[0] = Int64GetDatum(drive->drive_id);
	values[1] = CStringGetTextDatum(pages->ended ? "" : pages->after);
	values[2] = BoolGetDatum(pages->ended);
	(void) pocket_write(&note, values, NULL);
}

static int64
drives_left(void)
{
	static PocketPlan count = {"SELECT pg_catalog.count(*) FROM pocket_data.survey WHERE NOT listed", "", NULL, NULL};
	int64 left;

	(void) pocket_write(&count, NULL, NULL);
	left = pocket_column_int64(0, 1);
	pocket_free_rows();
	return left;
}

int64
pocket_survey_read(int64 pages)
{
	SurveyDrive drive = {0};

	follow_drives();
	while (pages > 0 && next_drive(&drive, drive.drive_id))
	{
		PocketInventory inventory = {
			.url = drive.url, .uuid = drive.uuid, .after = drive.after[0] == '\0' ? NULL : drive.after};

		while (pages > 0 && pocket_inventory_extents(&inventory))
		{
			CHECK_FOR_INTERRUPTS();
			keep_page(&drive, &inventory);
			pfree(inventory.answer);
			pages--;
		}
		if (inventory.error != PK_OK)
			ereport(WARNING,
					(errmsg("drive " INT64_FORMAT " could not be listed: %s", drive.drive_id, inventory.problem)));
	}
	return drives_left();
}

-- The data schema's definition travels in here as text: its tables are ordinary ones, not members of the extension.
CREATE FUNCTION pocket.data_definition() RETURNS text LANGUAGE SQL IMMUTABLE STRICT PARALLEL SAFE AS $definition$SELECT $data$
@include data.sql
$data$::pg_catalog.text$definition$;
COMMENT ON FUNCTION pocket.data_definition() IS 'the statements by which install() makes the data schema';

CREATE FUNCTION pocket.install() RETURNS boolean
	AS 'MODULE_PATHNAME', 'pocket_install' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION pocket.install() IS 'makes schema pocket_data; true when it was not there';
CREATE FUNCTION pocket.upgrade() RETURNS integer
	AS 'MODULE_PATHNAME', 'pocket_upgrade' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION pocket.upgrade() IS 'brings the data schema to the version of the library, which it returns';
CREATE FUNCTION pocket.uninstall(cell_name text) RETURNS void
	AS 'MODULE_PATHNAME', 'pocket_uninstall' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE;
COMMENT ON FUNCTION pocket.uninstall(text) IS 'drops schema pocket_data with all files; the name of the cell confirms it';


-- The columns of the data schema are of the extension's types: CASCADE would take them, with everybody's files.
CREATE FUNCTION pocket.keep_data() RETURNS event_trigger
	AS 'MODULE_PATHNAME', 'pocket_keep_data' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION pocket.keep_data() IS 'refuses DROP EXTENSION pocket CASCADE while there is a data schema';
CREATE EVENT TRIGGER pocket_keep_data ON ddl_command_start WHEN TAG IN ('DROP EXTENSION')
	EXECUTE FUNCTION pocket.keep_data();
COMMENT ON EVENT TRIGGER pocket_keep_data IS 'refuses DROP EXTENSION pocket CASCADE while there is a data schema';

-- Backends remember that the version of the data is theirs.
CREATE FUNCTION pocket.cell_changed() RETURNS trigger
	AS 'MODULE_PATHNAME', 'pocket_cell_changed' LANGUAGE C VOLATILE CALLED ON NULL INPUT PARALLEL UNSAFE;
COMMENT ON FUNCTION pocket.cell_changed() IS 'the trigger by which backends hear that table cell was changed';

REVOKE ALL ON FUNCTION pocket.check_database(), pocket.data_definition(), pocket.install(), pocket.upgrade(),
	pocket.uninstall(text), pocket.keep_data(), pocket.cell_changed() FROM PUBLIC;

-- What the codes promise, by the Markov chain: figures that were computed elsewhere, each within 0.1.
\set ECHO none
SET client_min_messages = warning;
CREATE EXTENSION pocket;
\set ECHO all
\pset null '<null>'
CREATE TEMP TABLE expected (code text, replicas integer, nines_48h numeric, nines_1h numeric, nines_unreadable numeric);
INSERT INTO expected VALUES ('replicated', 4, 13.5, 18.5, 12.8), ('rs(6,3)', 0, 11.4, 16.4, 10.7),
	('rs(14,4)', 0, 13.5, 20.2, 12.8), ('lrc(12,2,2)', 0, 11.1, 16.1, 10.4);
SELECT e.code, a.tolerates, round(a.nines::numeric, 2) AS nines_48h, round(b.nines::numeric, 2) AS nines_1h,
	round(c.nines::numeric, 2) AS nines_unreadable, abs(a.nines - e.nines_48h) <= 0.1 AND abs(b.nines - e.nines_1h) <= 0.1
	AND abs(c.nines - e.nines_unreadable) <= 0.1 AS right, a.annual_loss = power(10, -a.nines) OR abs(a.annual_loss / power(10, -a.nines) - 1) < 1e-9 AS one
	FROM expected e, pocket.durability_of(e.code, 0.015, 48, e.replicas) a, pocket.durability_of(e.code, 0.015, 1, e.replicas) b,
	pocket.durability_of(e.code, 0.015, 48, e.replicas, 1e-4) c ORDER BY e.code COLLATE "C";

-- the others, and what is sure: one replica is lost as often as its drive, and nothing is worth more than a copy of it
SELECT c, (pocket.durability_of(c, 0.015, 48)).tolerates, round((pocket.durability_of(c, 0.015, 48)).nines::numeric, 1) AS nines
	FROM unnest('{rs(10\,4),rs(1\,1),rs(16\,16),lrc(6\,2\,2),"xor(2,1)"}'::text[]) c;
SELECT tolerates, round(annual_loss::numeric, 6) AS annual_loss FROM pocket.durability_of('replicated', 0.015, 48, 1);
SELECT abs(a.nines - b.nines) < 1e-9 AS same FROM pocket.durability_of('replicated', 0.015, 48, 2) a, pocket.durability_of('rs(1,1)', 0.015, 48) b;
SELECT bool_and(nines > before) AS each_replica_helps FROM (SELECT nines, lag(nines, 1, 0) OVER (ORDER BY r) AS before
	FROM generate_series(1, 32) r, pocket.durability_of('replicated', 0.015, 48, r)) x;
SELECT bool_and(a.nines > b.nines) AS each_hour_costs FROM generate_series(1, 30) h, pocket.durability_of('rs(6,3)', 0.015, h) a, pocket.durability_of('rs(6,3)', 0.015, h + 1) b;

-- limits
SELECT pocket.durability_of('rs(40,1)', 0.015, 48);
SELECT pocket.durability_of('replicated', 0.015, 48);
SELECT pocket.durability_of('replicated', 0.015, 48, 33);
SELECT pocket.durability_of('rs(6,3)', 0, 48);
SELECT pocket.durability_of('rs(6,3)', 'NaN', 48);
SELECT pocket.durability_of('rs(6,3)', 0.015, 0);
SELECT pocket.durability_of('rs(6,3)', 0.015, 'Infinity');
SELECT pocket.durability_of('rs(6,3)', 0.015, 48, 0, 0.6);
SELECT pocket.durability_of('rs(6,3)', 0.015, 48, 0, -1);
SET pocket.annual_failure_rate = 0;
SET pocket.annual_failure_rate = 1.01;

-- a cell without a volume: the code that it will have, and what is assumed
BEGIN;
SELECT pocket.install() IS NOT NULL AS installed;
SELECT code, volumes, tolerates, round(nines::numeric, 1) AS nines, assumptions FROM pocket.durability();
SET pocket.annual_failure_rate = 0.03;
SET pocket.code = 'replicated';
SELECT code, volumes, tolerates, round(nines::numeric, 1) AS nines FROM pocket.durability();
INSERT INTO pocket_data.repaired (hours) VALUES (1), (3);
SELECT round(nines::numeric, 1) AS nines, assumptions FROM pocket.durability();
ROLLBACK;
DROP EXTENSION pocket;

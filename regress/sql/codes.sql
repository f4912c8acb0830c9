-- What codes bear, as duties ask it: members that are missing are bits, position 0 the lowest. Run before pocket.install(): codes need no data.
CREATE EXTENSION pocket;
SELECT code, pocket.code_members(code) AS members, pocket.code_left(code, coalesce(pocket.code_members(code), 4), 0) AS bears
FROM unnest(ARRAY['replicated', 'rs(6,3)', 'rs(31,1)', 'rs(1,31)', 'lrc(12,2,2)', 'lrc(6,2,2)', 'xor(2,1)']) code;

-- lrc(6,2,2): 0 1 2 with 6, 3 4 5 with 7, and 8 and 9 of all
SELECT missing, pocket.code_left('lrc(6,2,2)', 10, mask) AS left, pocket.code_lost('lrc(6,2,2)', 10, mask)::bit(10) AS lost
FROM (SELECT missing, (SELECT sum(1 << p) FROM unnest(missing) p) AS mask FROM (VALUES
	(1, '{0}'::int[]), (2, '{8}'), (3, '{8,9}'), (4, '{0,8}'), (5, '{0,3}'), (6, '{0,1}'), (7, '{0,1,2}'), (8, '{0,1,3,4}'), (9, '{0,3,8,9}'),
	(10, '{0,1,2,6}'), (11, '{0,1,8,9}'), (12, '{0,1,2,3,8}'), (13, '{0,3,7,8,9}')) v (n, missing) ORDER BY n) x;
SELECT pocket.code_left('rs(6,3)', 9, 7) AS none_left, pocket.code_left('rs(6,3)', 9, 15) AS lost, pocket.code_lost('rs(6,3)', 9, 15) AS which,
	pocket.code_left('replicated', 3, 3) AS one_replica, pocket.code_lost('replicated', 3, 7) AS all_replicas, pocket.code_left('rs(16,16)', 32, 4294901760) AS parities,
	pocket.code_lost('rs(16,16)', 32, 4294967295) AS everything;

SELECT pocket.code_left('lrc(12,2,3)', 17, 0);
SELECT pocket.code_members('');
SELECT pocket.code_left('rs(6,3)', 0, 0);
SELECT pocket.code_left('rs(6,3)', 33, 0);
SELECT pocket.code_lost('rs(6,3)', 9, 512);
SELECT pocket.code_lost('rs(6,3)', 9, -1);
DROP EXTENSION pocket;

/*
 * path_support.c
 *	  How the planner finds a subtree, or all that is above a path, in a btree.
 *
 *		p <@ x, x @> p		p >= x AND p < path_subtree_end(x)
 *		p @> x, x <@ p		p = ANY (lineage(x))
 *
 * Both are exact.  x need not be a constant: a parameter or a column of another
 * table will do.  The second takes an index that begins with p: only then does
 * the planner rightly believe that an index scan for an array yields the index's order.
 */
#include "types/path.h"

#include "access/stratnum.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_func.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(pocket_path_below_support);
PG_FUNCTION_INFO_V1(pocket_path_above_support);

/* name(argument), folded when argument is a constant; NULL when there is no such function beside the operator's. */
static Expr *
call(SupportRequestIndexCondition *request, char *name, Node *argument, Oid type, Oid result)
{
	char *schema = get_namespace_name(get_func_namespace(request->funcid));
	Oid function = LookupFuncName(list_make2(makeString(schema), makeString(name)), 1, &type, true);
	FuncExpr *expression;

	if (!OidIsValid(function))
		return NULL;
	expression = makeFuncExpr(function, result, list_make1(argument), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
	return (Expr *) eval_const_expressions(request->root, (Node *) expression);
}

static Expr *
condition(SupportRequestIndexCondition *request, Oid type, int strategy, Node *column, Expr *bound)
{
	Oid operator= get_opfamily_member(request->opfamily, type, type, (int16) strategy);

	return make_opclause(operator, BOOLOID, false, (Expr *) copyObject(column), bound, InvalidOid, InvalidOid);
}

static List *
subtree(SupportRequestIndexCondition *request, Oid type, Node *column, Node *folder)
{
	Expr *end = call(request, "path_subtree_end", folder, type, type);

	if (end == NULL)
		return NIL;
	return list_make2(condition(request, type, BTGreaterEqualStrategyNumber, column, (Expr *) copyObject(folder)),
					  condition(request, type, BTLessStrategyNumber, column, end));
}

static List *
lineage(SupportRequestIndexCondition *request, Oid type, Node *column, Node *path)
{
	ScalarArrayOpExpr *any = makeNode(ScalarArrayOpExpr);
	Expr *paths;

	if (request->indexcol != 0)
		return NIL;
	paths = call(request, "lineage", path, type, get_array_type(type));
	if (paths == NULL)
		return NIL;
	any->opno = get_opfamily_member(request->opfamily, type, type, BTEqualStrategyNumber);
	any->opfuncid = get_opcode(any->opno);
	any->useOr = true;
	any->args = list_make2(copyObject(column), paths);
	any->location = -1;
	return list_make1(any);
}

/* The conditions for an index on the argument that is below, or else on the one that is above. */
static Datum
support(FunctionCallInfo fcinfo, int below_argument)
{
	SupportRequestIndexCondition *request = (SupportRequestIndexCondition *) PG_GETARG_POINTER(0);
	List *arguments;
	List *conditions;
	Node *column;
	Node *other;
	Oid type;

	if (!IsA(request, SupportRequestIndexCondition) || request->index->relam != BTREE_AM_OID)
		PG_RETURN_POINTER(NULL);
	if (is_opclause(request->node))
		arguments = ((OpExpr *) request->node)->args;
	else if (is_funcclause(request->node))
		arguments = ((FuncExpr *) request->node)->args;
	else
		PG_RETURN_POINTER(NULL);
	column = list_nth(arguments, request->indexarg);
	other = list_nth(arguments, 1 - request->indexarg);
	if (!is_pseudo_constant_for_index(request->root, other, request->index))
		PG_RETURN_POINTER(NULL);
	type = request->index->opcintype[request->indexcol];
	if (!OidIsValid(get_opfamily_member(request->opfamily, type, type, BTEqualStrategyNumber)))
		PG_RETURN_POINTER(NULL);
	conditions = request->indexarg == below_argument ? subtree(request, type, column, other)
													 : lineage(request, type, column, other);
	if (conditions != NIL)
		request->lossy = false;
	PG_RETURN_POINTER(conditions);
}

/* of path_below(path, folder) */
Datum
pocket_path_below_support(PG_FUNCTION_ARGS)
{
	return support(fcinfo, 0);
}

/* of path_above(folder, path) */
Datum
pocket_path_above_support(PG_FUNCTION_ARGS)
{
	return support(fcinfo, 1);
}

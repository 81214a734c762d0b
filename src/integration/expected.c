/*
 * expected.c
 *	  Reads from the statements of nurture_install what they make.
 *
 * The statements are in the library, where whoever changes a catalog does not
 * reach them, and the server's own parser reads them: there is no second list
 * to keep.
 */
#include "base/compat.h"

#include "base/owner.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "integration/ddl_text.h"
#include "integration/expected.h"
#include "nodes/value.h"
#include "parser/parser.h"
#include "tcop/tcopprot.h"
#include "utils/builtins.h"

static void read_statements(ExpectedSchema *schema, const char *sql);

static bool
of_schema(const RangeVar * relation, const char *schema)
{
	return relation->schemaname != NULL &&
		strcmp(relation->schemaname, schema) == 0;
}

static ExpectedTable *
find_table(ExpectedSchema *schema, const char *name)
{
	ListCell   *cell;

	foreach(cell, schema->tables)
	{
		ExpectedTable *table = lfirst(cell);

		if (strcmp(table->name, name) == 0)
			return table;
	}
	return NULL;
}

static void
count_constraint(ExpectedTable *table, const Constraint * constraint)
{
	switch (constraint->contype)
	{
		case CONSTR_CHECK:
			table->checks++;
			table->conditions = lappend(table->conditions, constraint->raw_expr);
			break;
		case CONSTR_PRIMARY:
		case CONSTR_UNIQUE:
			table->keys++;
			break;
		default:
			break;
	}
}

static void
read_column(ExpectedTable *table, const ColumnDef * definition)
{
	ExpectedColumn *column = palloc0(sizeof(ExpectedColumn));
	ListCell   *cell;

	column->name = definition->colname;
	column->type = definition->typeName;
	table->columns = lappend(table->columns, column);
	foreach(cell, definition->constraints)
	{
		Constraint *constraint = lfirst_node(Constraint, cell);

		count_constraint(table, constraint);
		if (constraint->contype == CONSTR_NOTNULL || constraint->contype == CONSTR_PRIMARY)
			column->not_null = true;
		else if (constraint->contype == CONSTR_DEFAULT)
			column->default_value = constraint->raw_expr;
		else if (constraint->contype == CONSTR_IDENTITY)
			column->identity = constraint->generated_when;
		else if (constraint->contype == CONSTR_GENERATED)
		{
			column->generated = ATTRIBUTE_GENERATED_STORED;
			column->default_value = constraint->raw_expr;
		}
	}
}

static void
read_element(ExpectedTable *table, Node *element)
{
	if (IsA(element, ColumnDef))
		read_column(table, (ColumnDef *) element);
	else if (IsA(element, Constraint))
		count_constraint(table, (Constraint *) element);
}

static void
read_table(ExpectedSchema *schema, const CreateStmt * statement)
{
	ExpectedTable *table;
	ListCell   *cell;

	if (!of_schema(statement->relation, "nurture"))
		return;
	table = palloc0(sizeof(ExpectedTable));
	table->name = statement->relation->relname;
	foreach(cell, statement->tableElts)
		read_element(table, lfirst(cell));
	schema->tables = lappend(schema->tables, table);
}

static void
read_trigger(ExpectedSchema *schema, const CreateTrigStmt * statement,
			 const char *text)
{
	ExpectedTrigger *trigger;
	ListCell   *cell;

	if (!of_schema(statement->relation, "nurture"))
		return;
	trigger = palloc0(sizeof(ExpectedTrigger));
	trigger->table = statement->relation->relname;
	trigger->name = statement->trigname;
	trigger->function = strVal(llast(statement->funcname));
	trigger->type = statement->timing | statement->events |
		(statement->row ? TRIGGER_TYPE_ROW : 0);
	trigger->conditional = statement->whenClause != NULL;
	trigger->nargs = list_length(statement->args);
	foreach(cell, statement->transitionRels)
	{
		TriggerTransition *rows = lfirst_node(TriggerTransition, cell);

		if (rows->isNew)
			trigger->new_table = rows->name;
		else
			trigger->old_table = rows->name;
	}
	trigger->enabled = TRIGGER_FIRES_ON_ORIGIN;
	trigger->statement = text;

	schema->triggers = lappend(schema->triggers, trigger);
}

static void
read_alter(ExpectedSchema *schema, const AlterTableStmt * statement)
{
	const char *name = statement->relation->relname;
	ListCell   *cell;

	if (!of_schema(statement->relation, "nurture"))
		return;
	foreach(cell, statement->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);
		ExpectedTable *table = find_table(schema, name);
		ListCell   *other;

		if (table != NULL && command->def != NULL)
			read_element(table, command->def);
		if (command->subtype != AT_EnableAlwaysTrig)
			continue;
		foreach(other, schema->triggers)
		{
			ExpectedTrigger *trigger = lfirst(other);

			if (strcmp(trigger->table, name) == 0 &&
				strcmp(trigger->name, command->name) == 0)
				trigger->enabled = TRIGGER_FIRES_ALWAYS;
		}
	}
}

/* Reads SELECT nurture_config_table('nurture.x') and its like. */
static void
read_select(ExpectedSchema *schema, const SelectStmt * statement)
{
	ResTarget  *target;
	FuncCall   *call;
	A_Const    *argument;
	const char *name;

	if (list_length(statement->targetList) != 1)
		return;
	target = linitial_node(ResTarget, statement->targetList);
	if (!IsA(target->val, FuncCall))
		return;
	call = (FuncCall *) target->val;
	if (list_length(call->args) != 1 || !IsA(linitial(call->args), A_Const))
		return;
	argument = linitial_node(A_Const, call->args);
	if (argument->isnull || !IsA(&argument->val, String))
		return;
	name = strVal(llast(call->funcname));
	if (strcmp(name, "nurture_config_table") == 0)
		read_statements(schema, nurture_config_table_ddl(strVal(&argument->val)));
	else if (strcmp(name, "nurture_versioned_table") == 0)
		read_statements(schema, nurture_versioned_table_ddl(strVal(&argument->val)));
}

static void
read_statement(ExpectedSchema *schema, Node *statement, const char *text)
{
	switch (nodeTag(statement))
	{
		case T_CreateStmt:
			read_table(schema, (CreateStmt *) statement);
			break;
		case T_CreateTrigStmt:
			read_trigger(schema, (CreateTrigStmt *) statement, text);
			break;
		case T_AlterTableStmt:
			read_alter(schema, (AlterTableStmt *) statement);
			break;
		case T_IndexStmt:
			if (((IndexStmt *) statement)->idxname != NULL)
				schema->indexes = lappend(schema->indexes, ((IndexStmt *) statement)->idxname);
			break;
		case T_ViewStmt:
			if (of_schema(((ViewStmt *) statement)->view, "nurture_bi"))
			{
				RawStmt    *query = makeNode(RawStmt);

				query->stmt = ((ViewStmt *) statement)->query;
				schema->views = lappend(schema->views, ((ViewStmt *) statement)->view->relname);
				schema->view_queries = lappend(schema->view_queries, query);
			}
			break;
		case T_SelectStmt:
			read_select(schema, (SelectStmt *) statement);
			break;
		default:
			break;
	}
}

static void
read_statements(ExpectedSchema *schema, const char *sql)
{
	ListCell   *cell;

	foreach(cell, pg_parse_query(sql))
	{
		RawStmt    *raw = lfirst_node(RawStmt, cell);
		int			length = raw->stmt_len ? raw->stmt_len :
		strlen(sql) - raw->stmt_location;

		read_statement(schema, raw->stmt,
					   pnstrdup(sql + raw->stmt_location, length));
	}
}

/* Reads all of it, in the current memory context. */
ExpectedSchema *
nurture_expected_schema(void)
{
	ExpectedSchema *schema = palloc0(sizeof(ExpectedSchema));
	const char *extension_schema = nurture_extension_schema();

	for (const NurtureDdlPart *part = nurture_ddl_parts; part->name; part++)
	{
		if (strncmp(part->name, "seed/", 5) != 0)
			read_statements(schema, nurture_with_schema(part->text, extension_schema));
	}
	return schema;
}

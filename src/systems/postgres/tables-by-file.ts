import type { SqlRows } from '../../driver/context.ts'

/**
 * SQL that names the relations behind files (`1663/16385/16389`: tablespace, database, file node) of the current
 * database. A physical copy knows its tables by the same files, unless they were rewritten since.
 */
export function tableNamesQuery(relations: readonly string[]): string {
  const values = relations.map((relation) => `(${relation.split('/').map(Number).join(', ')})`).join(', ')
  return `SELECT space || '/' || db || '/' || node, nspname, pg_class.oid::regclass
FROM (VALUES ${values}) AS changed(space, db, node)
JOIN pg_database ON pg_database.oid = db AND datname = current_database()
JOIN pg_class ON pg_class.oid = pg_filenode_relation((CASE WHEN space = 1663 THEN 0 ELSE space END)::oid, node::oid)
JOIN pg_namespace ON pg_namespace.oid = relnamespace;`
}

/**
 * The names of users' tables by their files; a file that the rows do not know keeps its number as its name. Catalogues
 * and TOAST hold no rows of users, and are left out. Pure.
 */
export function userTables(relations: readonly string[], rows: SqlRows): Map<string, string> {
  const known = new Map(rows.map(([file, schema, table]) => [file, { schema: schema ?? '', table: table ?? '' }]))
  return new Map(
    relations.flatMap((relation): [string, string][] => {
      const found = known.get(relation)
      if (found === undefined) return isCatalogue(relation) ? [] : [[relation, `file ${relation}`]]
      return SYSTEM_SCHEMAS.has(found.schema) ? [] : [[relation, found.table]]
    }),
  )
}

const SYSTEM_SCHEMAS = new Set(['pg_catalog', 'pg_toast', 'information_schema'])
/** File nodes below the first of users belong to the system, in every database. */
const isCatalogue = (relation: string): boolean => Number(relation.split('/')[2]) < 16_384

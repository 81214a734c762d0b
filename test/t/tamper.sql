-- What a superuser may do to a sealed history with the triggers off, each with
-- what has to be found: for 032_audit_tamper.pl, which adds leaf() and
-- seal_hash() from test/sql/audit_verify.sql.

CREATE FUNCTION flip(b bytea) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    at int := floor(random() * length(b));
BEGIN
    RETURN set_byte(b, at, get_byte(b, at) # (1 << floor(random() * 8)::int));
END $$;

-- One entry that a block holds, and its block.
CREATE FUNCTION sealed_entry(wanted text DEFAULT '%') RETURNS nurture.audit LANGUAGE sql AS $$
    SELECT a FROM nurture.audit a JOIN nurture.seal s ON s.incarnation = a.incarnation AND a.xid >= s.xid_from AND a.xid < s.xid_to
    WHERE a.kind LIKE wanted ORDER BY random() LIMIT 1 $$;
CREATE FUNCTION home(a nurture.audit) RETURNS bigint LANGUAGE sql AS $$
    SELECT block FROM nurture.seal s WHERE s.incarnation = a.incarnation AND a.xid >= s.xid_from AND a.xid < s.xid_to $$;
CREATE FUNCTION found_as(class text, a nurture.audit) RETURNS text[] LANGUAGE sql AS $$
    SELECT ARRAY[format('%s:%s:%s', class, home(a), a.audit_id)] $$;

-- The history as it was, and how to have it back.
CREATE SCHEMA kept;
CREATE FUNCTION guarded() RETURNS text[] LANGUAGE sql IMMUTABLE AS
    $$ SELECT ARRAY['audit', 'seal', 'change_log', 'message', 'incarnation', 'subject_key'] $$;
CREATE PROCEDURE keep() LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY guarded() LOOP
        EXECUTE format('ALTER TABLE nurture.%I DISABLE TRIGGER ALL', name);
        EXECUTE format('CREATE TABLE kept.%I AS TABLE nurture.%1$I', name);
    END LOOP;
    CREATE TABLE kept.partition AS SELECT c.oid::regclass AS partition, pg_get_expr(relpartbound, c.oid) AS bound
        FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid WHERE inhparent = 'nurture.audit'::regclass;
END $$;
CREATE PROCEDURE undo() LANGUAGE plpgsql AS $$
DECLARE
    name text;
    detached record;
BEGIN
    FOR detached IN SELECT * FROM kept.partition WHERE partition NOT IN (SELECT inhrelid FROM pg_inherits) LOOP
        EXECUTE format('ALTER TABLE nurture.audit ATTACH PARTITION %s %s', detached.partition, detached.bound);
    END LOOP;
    FOREACH name IN ARRAY guarded() LOOP
        EXECUTE format('DELETE FROM nurture.%I t WHERE t::text NOT IN (SELECT k::text FROM kept.%1$I k)', name);
        EXECUTE format('INSERT INTO nurture.%I SELECT * FROM kept.%1$I k WHERE k::text NOT IN (SELECT t::text FROM nurture.%1$I t)', name);
    END LOOP;
END $$;

CREATE FUNCTION tampers() RETURNS text[] LANGUAGE sql IMMUTABLE AS $$ SELECT ARRAY[
    'text', 'bit in text', 'reasons', 'json', 'json number', 'at', 'retime', 'simulated', 'xid', 'leaf', 'leaf too', 'delete', 'insert', 'copy', 'twin',
    'move', 'postpone', 'incarnation', 'renumber', 'null', 'subject', 'lead_ref', 'lead_ref null', 'key', 'key gone', 'swap', 'swap whole',
    'seal', 'seal field', 'seal too', 'seal gone', 'last seal gone', 'leaves', 'leaves short', 'nodes', 'cut off', 'rewrite', 'detach',
    'unsealed', 'unsealed changed', 'future', 'change log', 'change gone', 'change forged', 'message gone', 'message sent', 'message forged',
    'head of incarnation', 'incarnation gone'] $$;

-- Does one of them; returns class:block:audit_id of each finding, as regular expressions.
CREATE FUNCTION tamper(name text, digests jsonb) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE
    a nurture.audit := sealed_entry();
    b nurture.audit;
    s nurture.seal;
    col text;
    part regclass;
    expected text[] := found_as('changed', a);
    last_block bigint := (SELECT max(block) FROM nurture.seal);
BEGIN
    SELECT * INTO s FROM nurture.seal ORDER BY random() LIMIT 1;
    CASE name
    WHEN 'text' THEN
        col := (ARRAY['kind', 'object', 'outcome', 'inputs', 'session_user', 'effective_role', 'app_user', 'reason'])[1 + floor(random() * 8)];
        EXECUTE format('UPDATE nurture.audit SET %I = coalesce(%1$I, '''') || chr(%s) WHERE audit_id = $1', col, 33 + floor(random() * 9000)::int) USING a.audit_id;
    WHEN 'bit in text' THEN
        col := (ARRAY['kind', 'outcome', 'session_user', 'effective_role'])[1 + floor(random() * 4)];
        EXECUTE format('UPDATE nurture.audit SET %I = overlay(%1$I PLACING chr(ascii(%1$I) # (1 << %s)) FROM 1 FOR 1) WHERE audit_id = $1',
            col, floor(random() * 5)::int) USING a.audit_id;
        IF EXISTS (SELECT FROM nurture.audit WHERE audit_id = a.audit_id AND leaf(audit) = a.leaf) THEN expected := '{}'; END IF;
    WHEN 'reasons' THEN
        UPDATE nurture.audit SET reasons = CASE WHEN reasons IS NULL THEN '{}' WHEN random() < 0.3 THEN NULL WHEN random() < 0.5 THEN reasons || NULL::text
            ELSE reasons || 'NULL'::text END WHERE audit_id = a.audit_id;
    WHEN 'json' THEN
        UPDATE nurture.audit SET trigger = CASE WHEN random() < 0.5 THEN trigger ELSE coalesce(trigger, '{}') || '{"x": [1, "\\t"]}' END,
            versions = coalesce(versions, '{}') || '{"forged": null}' WHERE audit_id = a.audit_id;
    WHEN 'json number' THEN
        a := sealed_entry('probe');
        expected := found_as('changed', a);
        UPDATE nurture.audit SET trigger = '{"kind": "test", "n": 1.5}' WHERE audit_id = a.audit_id;
    WHEN 'at' THEN
        UPDATE nurture.audit SET at = at + interval '1 microsecond' WHERE audit_id = a.audit_id;
        expected := found_as('(changed|retimed)', a);
    WHEN 'retime' THEN
        UPDATE nurture.audit SET at = at + CASE WHEN random() < 0.5 THEN 1 ELSE -1 END * (1 + random()) * interval '10 years' WHERE audit_id = a.audit_id;
        expected := found_as('retimed', a);
    WHEN 'simulated' THEN
        UPDATE nurture.audit SET simulated = NOT simulated WHERE audit_id = a.audit_id;
    WHEN 'xid' THEN
        UPDATE nurture.audit SET xid = (xid::text::numeric + 1)::text::xid8 WHERE audit_id = a.audit_id;
        expected := found_as('(changed|moved)', a);
    WHEN 'leaf' THEN
        UPDATE nurture.audit SET leaf = flip(leaf) WHERE audit_id = a.audit_id;
        expected := found_as('leaf', a);
    WHEN 'leaf too' THEN
        a.outcome := a.outcome || '_';
        UPDATE nurture.audit SET outcome = a.outcome, leaf = leaf(a) WHERE audit_id = a.audit_id;
    WHEN 'delete' THEN
        DELETE FROM nurture.audit WHERE audit_id = a.audit_id;
        expected := found_as('missing', a);
    WHEN 'insert' THEN
        a.audit_id := nextval('nurture.audit_audit_id_seq');
        a.leaf := leaf(a);
        INSERT INTO nurture.audit SELECT (a).*;
        expected := found_as('added', a);
    WHEN 'copy' THEN
        a.audit_id := nextval('nurture.audit_audit_id_seq');
        INSERT INTO nurture.audit SELECT (a).*;
        expected := found_as('added', a);
    WHEN 'twin' THEN
        a.at := a.at + interval '1 second';
        IF random() < 0.5 THEN a.leaf := leaf(a); END IF;
        INSERT INTO nurture.audit SELECT (a).*;
        expected := found_as('added', a);
    WHEN 'move' THEN
        SELECT * INTO s FROM nurture.seal WHERE block <> home(a) AND entries > 0 ORDER BY random() LIMIT 1;
        UPDATE nurture.audit SET (xid, incarnation) = (s.xid_from, s.incarnation) WHERE audit_id = a.audit_id;
        expected := found_as('moved', a);
    WHEN 'postpone' THEN
        UPDATE nurture.audit SET xid = pg_current_xact_id(), incarnation = 2 WHERE audit_id = a.audit_id;
        expected := found_as('moved', a);
    WHEN 'incarnation' THEN
        UPDATE nurture.audit SET incarnation = (ARRAY[0, 3, -1, 99])[1 + floor(random() * 4)] WHERE audit_id = a.audit_id;
        expected := found_as('moved', a);
    WHEN 'renumber' THEN
        UPDATE nurture.audit SET audit_id = nextval('nurture.audit_audit_id_seq') WHERE audit_id = a.audit_id;
        expected := found_as('missing', a) || format('added:%s:%s', home(a), currval('nurture.audit_audit_id_seq'));
    WHEN 'null' THEN
        UPDATE nurture.audit SET reason = coalesce(reason, '') || CASE WHEN reason IS NULL THEN '' ELSE ' ' END WHERE audit_id = a.audit_id;
    WHEN 'subject' THEN
        a := sealed_entry('message');
        UPDATE nurture.audit SET subject = flip(subject) WHERE audit_id = a.audit_id;
        expected := found_as('changed', a) || found_as('subject', a);
    WHEN 'lead_ref' THEN
        a := sealed_entry('message');
        UPDATE nurture.audit SET lead_ref = 1 + lead_ref % 20 WHERE audit_id = a.audit_id;
        expected := found_as('subject', a);
    WHEN 'lead_ref null' THEN
        a := sealed_entry('message');
        UPDATE nurture.audit SET lead_ref = NULL WHERE audit_id = a.audit_id;
        expected := found_as('subject', a);
    WHEN 'key', 'key gone' THEN
        a := sealed_entry('message');
        IF name = 'key' THEN
            UPDATE nurture.subject_key SET key = flip(key) WHERE lead_id = a.lead_ref;
        ELSE
            DELETE FROM nurture.subject_key WHERE lead_id = a.lead_ref;
        END IF;
        SELECT array_agg(format('subject:%s:%s', home(o), o.audit_id)) INTO expected FROM nurture.audit o WHERE o.lead_ref = a.lead_ref;
    WHEN 'swap' THEN
        a := sealed_entry('message');
        LOOP
            b := sealed_entry(a.kind);
            EXIT WHEN (b.outcome, b.inputs, b.object) IS DISTINCT FROM (a.outcome, a.inputs, a.object);
        END LOOP;
        UPDATE nurture.audit SET (outcome, reasons, inputs, object) = (a.outcome, a.reasons, a.inputs, a.object) WHERE audit_id = b.audit_id;
        expected := found_as('changed', b);
    WHEN 'swap whole' THEN
        -- two entries take each other's number, with leaves that fit
        a := sealed_entry('message');
        LOOP
            b := sealed_entry(a.kind);
            EXIT WHEN b.audit_id <> a.audit_id AND home(b) = home(a);
        END LOOP;
        expected := found_as('changed', a) || found_as('changed', b);
        DELETE FROM nurture.audit WHERE audit_id IN (a.audit_id, b.audit_id);
        SELECT a.audit_id, b.audit_id INTO b.audit_id, a.audit_id;
        a.leaf := leaf(a);
        b.leaf := leaf(b);
        INSERT INTO nurture.audit SELECT (a).*;
        INSERT INTO nurture.audit SELECT (b).*;
    WHEN 'seal' THEN
        col := (ARRAY['block_root', 'root', 'hash', 'frontier', 'previous'])[1 + floor(random() * 5)];
        EXECUTE format('UPDATE nurture.seal SET %I = CASE WHEN length(%1$I) > 0 THEN flip(%1$I) ELSE ''\x00'' END WHERE block = $1', col) USING s.block;
        expected := ARRAY[format('forged_seal:%s:', s.block)];
    WHEN 'seal field' THEN
        col := (ARRAY['first_at', 'last_at', 'closed_at', 'tree_size', 'entries', 'xid_from', 'xid_to', 'incarnation'])[1 + floor(random() * 8)];
        EXECUTE format('UPDATE nurture.seal SET %I = %s WHERE block = $1', col, CASE WHEN col LIKE '%\_at' THEN format('coalesce(%I, now()) + interval ''1 hour''', col)
            WHEN col LIKE 'xid%' THEN format('(%I::text::numeric + 1)::text::xid8', col) ELSE format('%I + 1', col) END) USING s.block;
        expected := ARRAY[format('forged_seal:%s:', s.block)];
    WHEN 'seal too' THEN
        s.closed_at := s.closed_at - interval '1 hour';
        UPDATE nurture.seal SET closed_at = s.closed_at, hash = seal_hash(s) WHERE block = s.block;
        expected := ARRAY[CASE WHEN s.block = last_block THEN format('digest:%s:', last_block) ELSE format('forged_seal:%s:', s.block + 1) END];
    WHEN 'seal gone' THEN
        SELECT * INTO s FROM nurture.seal WHERE block < last_block ORDER BY random() LIMIT 1;
        DELETE FROM nurture.seal WHERE block = s.block;
        expected := ARRAY[format('missing_seal:%s:', s.block + 1)];
    WHEN 'last seal gone' THEN
        DELETE FROM nurture.seal WHERE block = last_block;
        expected := ARRAY[format('truncated:%s:', last_block)];
    WHEN 'leaves' THEN
        SELECT * INTO s FROM nurture.seal WHERE entries > 0 ORDER BY random() LIMIT 1;
        UPDATE nurture.seal SET leaves = set_byte(leaves, 8, get_byte(leaves, 8) # 1) WHERE block = s.block;
        expected := ARRAY[format('forged_seal:%s:', s.block)];
    WHEN 'leaves short' THEN
        SELECT * INTO s FROM nurture.seal WHERE entries > 0 ORDER BY random() LIMIT 1;
        UPDATE nurture.seal SET leaves = substr(leaves, 1, length(leaves) - 40), entries = entries - (random() < 0.5)::int WHERE block = s.block;
        expected := ARRAY[format('forged_seal:%s:', s.block)];
    WHEN 'nodes' THEN
        SELECT * INTO s FROM nurture.seal WHERE length(nodes) > 0 ORDER BY random() LIMIT 1;
        UPDATE nurture.seal SET nodes = CASE WHEN random() < 0.5 THEN flip(nodes) ELSE substr(nodes, 33) END WHERE block = s.block;
        expected := ARRAY[format('forged_seal:%s:', s.block)];
    WHEN 'cut off' THEN
        -- the tail goes, entries and all that refers to them
        SELECT * INTO s FROM nurture.seal WHERE block = last_block;
        DELETE FROM nurture.audit WHERE incarnation = s.incarnation AND xid >= s.xid_from;
        DELETE FROM nurture.seal WHERE block = last_block;
        DELETE FROM nurture.change_log c WHERE NOT EXISTS (SELECT FROM nurture.audit x WHERE x.object = 'change:' || c.change_id);
        DELETE FROM nurture.message m WHERE NOT EXISTS (SELECT FROM nurture.audit x WHERE x.object = 'message:' || m.message_id);
        expected := ARRAY[format('truncated:%s:', last_block)];
    WHEN 'rewrite' THEN
        -- an entry goes and the last block is sealed anew: only the digest shows it
        SELECT * INTO s FROM nurture.seal WHERE block = last_block;
        DELETE FROM nurture.audit o WHERE audit_id = (SELECT max(x.audit_id) FROM nurture.audit x WHERE x.xid >= s.xid_from AND x.xid < s.xid_to
            AND x.incarnation = s.incarnation AND x.kind NOT IN ('message', 'change'));
        DELETE FROM nurture.seal WHERE block = last_block;
        UPDATE nurture.incarnation SET database = (SELECT oid FROM pg_database WHERE datname = current_database()) WHERE incarnation = 2;
        PERFORM nurture_audit_seal();
        expected := ARRAY[format('digest:%s:', last_block)];
    WHEN 'detach' THEN
        part := (SELECT tableoid FROM nurture.audit WHERE audit_id = a.audit_id);
        SELECT array_agg(format('missing:%s:%s', home(o), o.audit_id)) INTO expected FROM nurture.audit o WHERE tableoid = part AND home(o) IS NOT NULL;
        EXECUTE format('ALTER TABLE nurture.audit DETACH PARTITION %s', part);
    WHEN 'unsealed' THEN
        a.audit_id := nextval('nurture.audit_audit_id_seq');
        a.incarnation := 2;
        a.xid := pg_current_xact_id();
        a.leaf := flip(leaf(a));
        INSERT INTO nurture.audit SELECT (a).*;
        expected := ARRAY[format('forged::%s', a.audit_id)];
    WHEN 'unsealed changed' THEN
        SELECT * INTO a FROM nurture.audit o WHERE home(o) IS NULL ORDER BY random() LIMIT 1;
        UPDATE nurture.audit SET outcome = outcome || 'x' WHERE audit_id = a.audit_id;
        expected := ARRAY[format('forged::%s', a.audit_id)];
    WHEN 'future' THEN
        a.audit_id := nextval('nurture.audit_audit_id_seq');
        a.incarnation := 2;
        a.xid := CASE WHEN random() < 0.5 THEN '9876543210' ELSE '18446744073709551615' END;
        a.leaf := leaf(a);
        INSERT INTO nurture.audit SELECT (a).*;
        expected := ARRAY[format('forged::%s', a.audit_id)];
    WHEN 'change log' THEN
        a := sealed_entry('change');
        UPDATE nurture.change_log SET new_row = coalesce(new_row, '{}') || '{"class": "forged"}' WHERE 'change:' || change_id = a.object;
        expected := ARRAY[format('change_log::%s', a.audit_id)];
    WHEN 'change gone' THEN
        a := sealed_entry('change');
        DELETE FROM nurture.change_log WHERE 'change:' || change_id = a.object;
        expected := ARRAY[format('change_log::%s', a.audit_id)];
    WHEN 'change forged' THEN
        INSERT INTO nurture.change_log (at, table_name, operation, new_row, simulated) VALUES (now(), 'frequency_cap', 'INSERT', '{}', false);
        expected := ARRAY['change_log::'];
    WHEN 'message gone' THEN
        a := sealed_entry('message');
        DELETE FROM nurture.message WHERE 'message:' || message_id = a.object;
        expected := ARRAY[format('message::%s', (SELECT max(audit_id) FROM nurture.audit WHERE kind = 'message' AND object = a.object))];
    WHEN 'message sent' THEN
        SELECT * INTO a FROM nurture.audit WHERE kind = 'message' AND outcome = 'refused' ORDER BY random() LIMIT 1;
        UPDATE nurture.message SET status = (ARRAY['queued', 'taken', 'sent', 'cancelled'])[1 + floor(random() * 4)] WHERE 'message:' || message_id = a.object;
        expected := ARRAY[format('message::%s', a.audit_id)];
    WHEN 'message forged' THEN
        INSERT INTO nurture.message (lead_id, channel, asset_id, status) VALUES (1, 'email', 'x', 'queued');
        expected := ARRAY['message::'];
    WHEN 'head of incarnation' THEN
        UPDATE nurture.incarnation SET head_hash = flip(head_hash) WHERE incarnation = 2;
        expected := ARRAY['incarnation::'];
    WHEN 'incarnation gone' THEN
        DELETE FROM nurture.incarnation WHERE incarnation = 2;
        SELECT array_agg(format('forged_seal:%s:', block)) INTO expected FROM nurture.seal WHERE incarnation = 2;
    END CASE;
    RETURN expected;
END $$;

-- The findings that count: a changed entry no longer matches the table it is about, either.
CREATE FUNCTION findings(name text, digests jsonb) RETURNS SETOF text LANGUAGE sql AS $$
    SELECT format('%s:%s:%s', class, block, audit_id) FROM nurture_audit_verify(digests => digests)
    ORDER BY block, audit_id, class $$;

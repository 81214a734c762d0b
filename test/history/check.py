#!/usr/bin/env python3
"""Judges a history that test/history/run has recorded.

Usage: test/history/check.py DATABASE FILE

Exits with 1 and names each violation when one of these does not hold:
 - no snapshot of the run or after it had a row in view broken;
 - no message was queued by a transaction that started after a denial of it
   had been acknowledged, unless something lifted it in between;
 - no message is queued still whose transaction was acknowledged before a
   denial of it started;
 - every message has its decision in the audit trail, and nothing else has;
 - nurture_audit_verify has nothing to report, before and after sealing;
 - a rebuild from the events gives the same activity;
 - no statement ended in an error that concurrency does not explain.
"""
import collections
import json
import subprocess
import sys

EXPECTED = {'40001', '40P01', '25P02', '55P03', '3B001', 'NU007'}
SHOWN = 10                      # violations of a kind that are named


def query(database, sql):
    result = subprocess.run(['psql', '-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', database, '-c', sql],
                            text=True, capture_output=True)
    if result.returncode != 0:
        raise SystemExit('check: ' + result.stderr)
    return [line.split('|') for line in result.stdout.splitlines() if line]


def covers(denial, message):
    return denial[3] in ('*', message['channel']) and denial[2] == message['lead']


def main():
    database, path = sys.argv[1:]
    violations = collections.defaultdict(list)
    transactions = {}
    snapshots = 0
    for line in open(path):
        entry = json.loads(line)
        if 'broken' in entry:
            violations['seen while it ran'].append(entry['broken'])
        elif 'snapshots' in entry:
            snapshots = entry['snapshots']
        else:
            transactions[entry['tag']] = entry
            unexpected = set(entry['errors']) - EXPECTED
            if unexpected:
                violations['unexpected error'].append(f"{sorted(unexpected)} in {entry['text']}")

    for row in query(database, 'SELECT * FROM public.broken'):
        violations['at the end'].append('|'.join(row))

    messages = []
    for lead, number, channel, asset, status, arm, outcome in query(database, """
            SELECT m.lead_id, m.message_id, m.channel, m.asset_id, m.status, m.arm, a.outcome
            FROM nurture.message m LEFT JOIN nurture.audit a
              ON a.lead_ref = m.lead_id AND a.kind = 'message' AND a.object = 'message:' || m.message_id"""):
        if outcome == '':
            violations['no decision in the audit trail'].append(f'message {number} of lead {lead}')
        if not transactions.get(arm, {}).get('committed'):
            violations['message of a transaction that did not commit'].append(f'message {number}, {arm}')
            continue
        messages.append({'lead': int(lead), 'id': number, 'channel': channel, 'asset': asset,
                         'status': status, 'outcome': outcome, 'by': transactions[arm]})
    extra = query(database, """
            SELECT a.object FROM nurture.audit a WHERE a.kind = 'message' AND NOT EXISTS
              (SELECT FROM nurture.message m WHERE m.lead_id = a.lead_ref AND 'message:' || m.message_id = a.object)""")
    violations['decision without its message'] += ['|'.join(row) for row in extra]

    denials = collections.defaultdict(list)
    lifts = collections.defaultdict(list)
    for transaction in transactions.values():
        for effect in transaction['effects']:
            key = (effect[1], effect[2])
            if effect[0] == 'deny' and transaction['committed']:
                denials[key].append((effect, transaction))
            elif effect[0] == 'lift' and transaction['committed']:
                lifts[key].append(transaction)
    # a lift by the same transaction may come after the denial in it
    checked = 0
    for message in messages:
        keys = [('consent', message['lead']), ('pause', message['lead'])]
        by = message['by']
        for key in keys:
            for effect, denial in denials[key]:
                if not covers(effect, message) or denial is by:
                    continue
                if denial['ack'] < by['start'] and message['outcome'] in ('queued', 'held'):
                    checked += 1
                    if not any(lift['ack'] > denial['start'] and lift['start'] < by['ack'] for lift in lifts[key]):
                        violations['queued after a denial'].append(
                            f"message {message['id']} of lead {message['lead']}, {by['tag']} after {denial['tag']} {effect}")
                if by['ack'] < denial['start'] and message['status'] in ('queued', 'held'):
                    checked += 1
                    if not any(lift['ack'] > denial['start'] and lift['start'] < denial['ack'] for lift in lifts[key]):
                        violations['queued still'].append(
                            f"message {message['id']} of lead {message['lead']}, {by['tag']} before {denial['tag']} {effect}")

    for turn in ('unsealed', 'sealed'):
        for row in query(database, "SELECT severity, class, audit_id, detail FROM nurture_audit_verify() WHERE severity <> 'info'"):
            violations[f'audit trail, {turn}'].append('|'.join(row))
        query(database, 'SELECT nurture_audit_seal()')
    changed = query(database, """
            BEGIN;
            CREATE TEMP TABLE kept ON COMMIT DROP AS SELECT lead_id, signals::text AS signals, topics::text AS topics FROM nurture.activity;
            SELECT nurture_rebuild() \\g /dev/null
            SELECT lead_id FROM kept FULL JOIN nurture.activity a USING (lead_id)
            WHERE kept.signals IS DISTINCT FROM a.signals::text OR kept.topics IS DISTINCT FROM a.topics::text;
            ROLLBACK;""".replace('\\g /dev/null', 'IS NULL;'))
    violations['activity differs from a rebuild'] += ['|'.join(row) for row in changed if row[0].isdigit()]

    done = collections.Counter('committed' if t['committed'] else 'not' for t in transactions.values())
    states = collections.Counter(m['status'] for m in messages)
    errors = collections.Counter(e for t in transactions.values() for e in t['errors'])
    print(f"history: {done['committed']} transactions committed, {done['not']} did not; {snapshots} snapshots; "
          f"{len(messages)} messages {dict(states)}; {checked} pairs ordered by time; errors {dict(errors)}")
    failed = False
    for kind, found in violations.items():
        if not found:
            continue
        failed = True
        print(f'violation: {kind}: {len(found)}')
        for detail in found[:SHOWN]:
            print('    ' + detail)
    if not failed:
        print('history: no violation')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())

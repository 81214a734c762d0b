#!/usr/bin/env python3
"""Judges a history that test/history/run has recorded.

Usage: test/history/check.py DATABASE FILE

Exits with 1 and names each violation when one of these does not hold:
 - no snapshot of the run or after it had a row in view broken;
 - by the clients' clock: no message was queued, held or taken by a transaction
   that started after a denial of it, or of a lead that had been merged into its
   lead, had been acknowledged, unless something lifted it in between; nor was a
   worker told that such a message may go out;
 - by the clients' clock: no message is queued still whose transaction was
   acknowledged before a denial of it started;
 - by the numbers of the gate rows: no message was let through whose number is
   above that of a denial, with no grant between the two;
 - a number was given to one decision only; of two decisions about a lead the
   one whose transaction was over before the other's started has the lower
   number; and the clock never went back from one number to the next;
 - every message has its decision in the audit trail, and nothing else has, and
   every take was made by a transaction that committed;
 - nurture_audit_verify has nothing to report, before and after sealing;
 - a rebuild from the events gives the same activity;
 - no statement ended in an error that concurrency does not explain.
"""
import collections
import json
import subprocess
import sys

SHOWN = 10                      # violations of a kind that are named
LET_THROUGH = ('queued', 'held', 'taken')


def query(database, sql):
    result = subprocess.run(['psql', '-X', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-d', database, '-c', sql],
                            text=True, capture_output=True)
    if result.returncode != 0:
        raise SystemExit('check: ' + result.stderr)
    return [line.split('|') for line in result.stdout.splitlines() if line]


def covers(effect, message):
    return effect[3] in ('*', message['channel'])


class History:
    def __init__(self, path):
        self.violations = collections.defaultdict(list)
        self.transactions = {}
        self.run = {}
        self.denials = collections.defaultdict(list)    # by kind and lead: effects with their transactions
        self.lifts = collections.defaultdict(list)
        self.merges = collections.defaultdict(list)     # by survivor
        self.parts = collections.defaultdict(list)      # by absorbed lead
        self.pairs = 0                                  # decisions that a denial was held against
        for line in open(path):
            entry = json.loads(line)
            if 'broken' in entry:
                self.violations['seen while it ran'].append(entry['broken'])
            elif 'snapshots' in entry:
                self.run = entry
            else:
                self.transactions[entry['tag']] = entry
                if entry['unexpected']:
                    self.violations['unexpected error'].append(f"{entry['unexpected']} in {entry['text']}")
                if entry['committed']:
                    self.note(entry)

    def note(self, transaction):
        for effect in transaction['effects']:
            what, kind, lead = effect[:3]
            if what == 'merge':
                self.merges[effect[3]].append((lead, transaction))
            elif what == 'part':
                self.parts[lead].append(transaction)
            else:
                (self.denials if what == 'deny' else self.lifts)[kind, lead].append((effect, transaction))

    def lifted(self, kind, leads, begin, end):
        """Whether something may have lifted denials of leads between two instants."""
        return any(lift['ack'] > begin and lift['start'] < end for lead in leads for _, lift in self.lifts[kind, lead])

    def parted(self, absorbed, begin, end):
        return any(part['ack'] > begin and part['start'] < end for part in self.parts[absorbed])

    def denied(self, message, by):
        """The denials that had been acknowledged when a transaction started, and stood until it was over."""
        for kind in ('consent', 'pause', 'audience'):
            for effect, denial in self.denials[kind, message['lead']]:
                if denial is not by and covers(effect, message) and denial['ack'] < by['start']:
                    self.pairs += 1
                    if not self.lifted(kind, [message['lead']], denial['start'], by['ack']):
                        yield f"{denial['tag']} {effect}"
        for absorbed, merge in self.merges[message['lead']]:
            if merge is by or merge['ack'] > by['start'] or self.parted(absorbed, merge['start'], by['ack']):
                continue
            for kind in ('consent', 'pause'):
                for effect, denial in self.denials[kind, absorbed]:
                    if denial is not by and covers(effect, message) and denial['ack'] < by['start']:
                        self.pairs += 1
                        if not self.lifted(kind, [absorbed, message['lead']], denial['start'], by['ack']) and \
                                not (denial['start'] < merge['start'] and self.parted(absorbed, denial['start'], merge['ack'])):
                            yield f"{denial['tag']} {effect}, merged by {merge['tag']}"

    def check_time(self, message):
        """What the clients' clock says about a message."""
        name = f"message {message['id']} of lead {message['lead']}"
        by = message['by']
        # the fitting audience is asked for after consent, and a message on hold is asked about again
        if message['decisions'][0] in ('queued', 'held'):
            for denial in self.denied(message, by):
                if not (message['decisions'][0] == 'held' and 'audience' in denial):
                    self.violations['queued after a denial'].append(f"{name}, {by['tag']} after {denial}")
        for worker in message['takers']:
            for denial in self.denied(message, self.transactions[worker]):
                self.violations['taken after a denial'].append(f'{name}, {worker} after {denial}')
        if message['status'] not in ('queued', 'held'):
            return
        for kind in ('consent', 'pause'):
            for effect, denial in self.denials[kind, message['lead']]:
                if covers(effect, message) and by['ack'] < denial['start']:
                    self.pairs += 1
                    if not self.lifted(kind, [message['lead']], denial['start'], denial['ack']):
                        self.violations['queued still'].append(f"{name}, {by['tag']} before {denial['tag']} {effect}")

    def check_told(self, messages):
        """No worker was told that a message may go out after it had been denied."""
        for transaction in self.transactions.values():
            for lead, number, allowed in transaction['told']:
                message = messages.get((lead, number))
                if allowed and message:
                    for denial in self.denied(message, transaction):
                        self.violations['allowed after a denial'].append(
                            f"message {number} of lead {lead}, {transaction['tag']} after {denial}")

    def check_numbers(self, messages):
        """What the numbers of the gate rows say: a serial history for each lead."""
        by_lead = collections.defaultdict(list)
        for message in messages.values():
            if message['seq'] is not None:
                by_lead[message['lead']].append(message)
        for lead, decided in by_lead.items():
            decided.sort(key=lambda m: (m['seq'], m['at']))
            for before, message in zip(decided, decided[1:]):
                if before['seq'] == message['seq']:
                    self.violations['one number for two decisions'].append(
                        f"{message['seq']} of lead {lead}: messages {before['id']} and {message['id']}")
                elif before['at'] > message['at']:
                    self.violations['the clock went back'].append(
                        f"lead {lead}: number {before['seq']} at {before['at']}, {message['seq']} at {message['at']}")
            over = collections.deque(sorted((m for m in decided if m['last']), key=lambda m: m['last']['ack']))
            highest = None
            for message in sorted((m for m in decided if m['last']), key=lambda m: m['last']['start']):
                while over and over[0]['last']['ack'] < message['last']['start']:
                    ended = over.popleft()
                    if highest is None or ended['seq'] > highest['seq']:
                        highest = ended
                if highest and highest['seq'] > message['seq']:
                    self.violations['numbers against the clock'].append(
                        f"lead {lead}: {highest['seq']} of {highest['last']['tag']} was over before {message['seq']} of {message['last']['tag']} began")
            for kind in ('consent', 'pause', 'audience'):
                self.check_denials(kind, lead, decided)

    def check_denials(self, kind, lead, decided):
        denials = [(e[4], e, t) for e, t in self.denials[kind, lead] if len(e) > 4]
        lifts = [(e[4], t) for e, t in self.lifts[kind, lead] if len(e) > 4]
        # leads in which one may be merged are granted what the other is, at a number of its own
        other = lead + 1 if lead % 2 == 0 else lead - 1
        pair = any(absorbed in (lead, other) for absorbed in (lead, other) if self.parts[absorbed]) or \
            any(absorbed in (lead, other) for survivor in (lead, other) for absorbed, _ in self.merges[survivor])
        for message in decided:
            if message['decisions'][-1] not in (('queued', 'taken') if kind == 'audience' else LET_THROUGH):
                continue
            for seq, effect, denial in denials:
                if seq >= message['seq'] or not covers(effect, message):
                    continue
                self.pairs += 1
                if any(seq <= lift < message['seq'] for lift, _ in lifts):
                    continue
                # of a lead that is merged the row is left alone
                if pair and self.lifted(kind, [other], denial['start'], message['last']['ack'] if message['last'] else denial['ack'] + 10**12):
                    continue
                self.violations['let through by number'].append(
                    f"message {message['id']} of lead {lead}, {message['seq']}, after {denial['tag']} {effect}")


def read_messages(database, history):
    """The messages of committed transactions, each with what was decided about it."""
    messages = {}
    for lead, number, channel, status, arm, seq, at, decisions, takers in query(database, """
            SELECT m.lead_id, m.message_id, m.channel, m.status, m.arm, m.gate_seq, extract(epoch FROM m.decided_at),
                   string_agg(a.outcome, ',' ORDER BY a.audit_id),
                   string_agg(a.trigger ->> 'worker', ',' ORDER BY a.audit_id)
            FROM nurture.message m LEFT JOIN nurture.audit a
              ON a.lead_ref = m.lead_id AND a.kind = 'message' AND a.object = 'message:' || m.message_id
            GROUP BY m.lead_id, m.message_id"""):
        takers = takers.split(',') if takers else []
        if decisions == '':
            history.violations['no decision in the audit trail'].append(f'message {number} of lead {lead}')
            continue
        for tag in [arm] + takers:
            if not history.transactions.get(tag, {}).get('committed'):
                history.violations['by a transaction that did not commit'].append(f'message {number}, {tag}')
                break
        else:
            decisions = decisions.split(',')
            messages[int(lead), number] = {
                'lead': int(lead), 'id': number, 'channel': channel, 'status': status, 'seq': int(seq) if seq else None, 'at': float(at),
                'by': history.transactions[arm], 'decisions': decisions, 'takers': takers,
                # the transaction that decided last, where that is known
                'last': history.transactions[takers[-1]] if takers and decisions[-1] == 'taken' else
                        history.transactions[arm] if len(decisions) == 1 else None}
    extra = query(database, """
            SELECT a.object FROM nurture.audit a WHERE a.kind = 'message' AND NOT EXISTS
              (SELECT FROM nurture.message m WHERE m.lead_id = a.lead_ref AND 'message:' || m.message_id = a.object)""")
    history.violations['decision without its message'] += ['|'.join(row) for row in extra]
    return messages


def main():
    database, path = sys.argv[1:]
    history = History(path)
    violations = history.violations
    for row in query(database, 'SELECT * FROM public.broken'):
        violations['at the end'].append('|'.join(row))
    messages = read_messages(database, history)
    for message in messages.values():
        history.check_time(message)
    history.check_told(messages)
    history.check_numbers(messages)

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

    transactions = history.transactions.values()
    done = collections.Counter()
    for transaction in transactions:
        done['committed' if transaction['committed'] else 'not'] += 1
        done['operations'] += transaction['operations'] if transaction['committed'] else 0
    states = collections.Counter(m['status'] for m in messages.values())
    errors = collections.Counter(e for t in transactions for e in t['errors'])
    print(f"history: {done['operations']} operations in {done['committed']} transactions committed, {done['not']} did not; "
          f"{history.run['seconds']:.0f} s, {history.run['chapters']} chapters, {history.run['snapshots']} snapshots; "
          f"{len(messages)} messages {dict(states)}; {sum(len(m['takers']) for m in messages.values())} takes; "
          f"{sum(len(t['told']) for t in transactions)} asked whether still allowed; {history.pairs} denials held against a message; errors {dict(errors)}")
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

-- A journal of release 0.1 as that release made it, with two records.
CREATE TABLE IF NOT EXISTS grpo_journals(
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, run text NOT NULL UNIQUE, format integer NOT NULL, fence bigint NOT NULL, first bigint NOT NULL);
CREATE TABLE IF NOT EXISTS grpo_events(
    journal bigint NOT NULL, position bigint NOT NULL, fence bigint NOT NULL, crc bigint NOT NULL, payload bytea NOT NULL, PRIMARY KEY (journal, position));
INSERT INTO grpo_journals(run, format, fence, first) VALUES ('run-0.1', 1, 1, 0);
INSERT INTO grpo_events(journal, position, fence, crc, payload)
    SELECT id, position, 1, crc, decode(payload, 'hex') FROM grpo_journals, (VALUES (0, 3244701556, '010164879F7D6B960A01909762D911A32D4582C20010C5641EE90278B644A9E3B5259A129038D9A00AED0CF6A7EA059CA50A813449061AB87848CF1A13EAFDF33B2C0100000031'), (1, 3616781930, '01030000000000000000000000000000000000000000000000000000000000000000000000000000000000')) AS record(position, crc, payload) WHERE run = 'run-0.1';

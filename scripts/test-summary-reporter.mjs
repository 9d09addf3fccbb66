import { writeFileSync } from 'node:fs';

/** Counts tests into the file that BALSA_TEST_SUMMARY names. What fails outside of a test counts as failed too. */
export default class TestSummaryReporter {
  onTestRunEnd(modules, unhandledErrors) {
    const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') counts.passed++;
        else if (state === 'skipped') counts.skipped++;
        else counts.failed++;
      }
      counts.failed += module.errors().length;
      for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
    }
    const file = process.env.BALSA_TEST_SUMMARY;
    if (file !== undefined) writeFileSync(file, JSON.stringify(counts));
  }
}

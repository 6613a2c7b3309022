package cogflow.vespa;

import com.yahoo.component.Vtag;
import java.util.Map;
import java.util.TreeMap;
import org.junit.platform.engine.TestExecutionResult;
import org.junit.platform.engine.reporting.ReportEntry;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;

/** Prints one line for each check, and counts at the end. */
public final class Lines implements TestExecutionListener {

    private final Map<String, int[]> counts = new TreeMap<>();
    private TestPlan plan;
    private String note = "";

    @Override
    public void testPlanExecutionStarted(TestPlan started) {
        plan = started;
        System.out.println("Vespa " + Vtag.currentVersion + ", JDK " + Runtime.version().feature());
    }

    @Override
    public void reportingEntryPublished(TestIdentifier test, ReportEntry entry) {
        note = "  " + String.join(", ", entry.getKeyValuePairs().values());
    }

    @Override
    public void executionFinished(TestIdentifier test, TestExecutionResult result) {
        boolean ok = result.getStatus() == TestExecutionResult.Status.SUCCESSFUL;
        if (test.isTest() || !ok) {
            counts.computeIfAbsent(kind(test), k -> new int[2])[ok ? 0 : 1]++;
            System.out.println((ok ? "ok    " : "FAIL  ") + kind(test) + "  " + test.getDisplayName() + note);
            result.getThrowable().ifPresent(e -> System.out.println("      " + e));
        }
        note = "";
    }

    private String kind(TestIdentifier test) {
        TestIdentifier at = test;
        while (plan.getParent(at).isPresent() && plan.getParent(plan.getParent(at).get()).isPresent()) {
            at = plan.getParent(at).get();
        }
        return at.getDisplayName().replaceAll("Test$", "").toLowerCase();
    }

    @Override
    public void testPlanExecutionFinished(TestPlan finished) {
        counts.forEach((kind, n) -> System.out.printf("%-12s %4d ok  %4d failed%n", kind, n[0], n[1]));
    }
}

package cogflow.vespa;

import com.yahoo.component.Version;
import com.yahoo.config.application.api.DeployLogger;
import com.yahoo.config.model.NullConfigModelRegistry;
import com.yahoo.config.model.api.ValidationParameters;
import com.yahoo.config.model.api.ValidationParameters.CheckRouting;
import com.yahoo.config.model.api.ValidationParameters.FailOnIncompatibleChange;
import com.yahoo.config.model.api.ValidationParameters.IgnoreValidationErrors;
import com.yahoo.config.model.application.provider.ApplicationPackageXmlFilesValidator;
import com.yahoo.config.model.application.provider.FilesApplicationPackage;
import com.yahoo.config.model.deploy.DeployState;
import com.yahoo.config.model.deploy.TestProperties;
import com.yahoo.vespa.config.VespaVersion;
import com.yahoo.vespa.model.VespaModel;
import com.yahoo.vespa.model.application.validation.Validation;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.logging.Level;

/**
 * An application package as Vespa's config server builds it: the same parsers,
 * model and validators. A logged warning is an error here, except for two
 * lines about this machine.
 */
record Application(VespaModel model) {

    static Application build(Path dir) throws Exception {
        var files = FilesApplicationPackage.fromDir(dir.toFile(), Map.of());
        var xml = ApplicationPackageXmlFilesValidator.create(dir.toFile(), new Version(VespaVersion.major));
        xml.checkApplication();
        xml.checkIncludedDirs(files);

        List<String> warnings = new ArrayList<>();
        DeployLogger log = (level, message) -> {
            if (level.intValue() >= Level.WARNING.intValue() && !aboutThisMachine(message)) warnings.add(message);
        };
        var state = new DeployState.Builder()
                .properties(new TestProperties()).applicationPackage(files).deployLogger(log).build();
        var model = new VespaModel(new NullConfigModelRegistry(), state);
        // IgnoreValidationErrors concerns the absent native check of the backend's
        // rank setup only; every error of the validators still throws.
        new Validation().validate(model, new ValidationParameters(
                IgnoreValidationErrors.TRUE, FailOnIncompatibleChange.TRUE, CheckRouting.FALSE), state);
        if (!warnings.isEmpty()) throw new IllegalArgumentException("warnings: " + warnings);
        return new Application(model);
    }

    private static boolean aboutThisMachine(String message) {
        return message.contains("vespa-verify-ranksetup-bin") || message.startsWith("Unable to lookup IP address of host");
    }
}

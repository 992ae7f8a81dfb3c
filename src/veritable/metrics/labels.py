"""What people call the metrics, in the order in which they are shown."""

LABELS = {  # the name, and what it is
    "roc_auc": ("ROC AUC", "probability that a random row of the class scores higher than a random other row"),
    "average_precision": ("Average precision", "area under the precision-recall curve"),
    "log_loss": ("Log loss", "mean negative log probability of the actual class, in nats; lower is better"),
    "brier": ("Brier score", "mean squared error of the probabilities; lower is better"),
    "accuracy": ("Accuracy", "share of rows predicted correctly"),
    "balanced_accuracy": ("Balanced accuracy", "mean recall over the classes"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "precision": ("Precision", "share of predicted positives that are positive"),
    "recall": ("Recall", "share of positives that are predicted"),
    "mcc": ("MCC", "Matthews correlation coefficient of predicted and actual class, from -1 to 1"),
}
